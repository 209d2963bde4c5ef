import Microkernels
import MicrokernelsPlain
import Tensors

#if arch(x86_64)
  import MicrokernelsAVX2
  import MicrokernelsAVX512
  import MicrokernelsAVX512BF16
#endif

extension InstructionSet {
  /// Its microkernels. Code of a wider instruction set is reached through this property alone.
  package var microkernels: any MicrokernelSet.Type {
    switch self {
    case .plain: Self.preparedPlain
    #if arch(x86_64)
      case .avx2: MicrokernelsAVX2.Backend.self
      case .avx512: MicrokernelsAVX512.Backend.self
      case .avx512bf16: MicrokernelsAVX512BF16.Backend.self
    #endif
    }
  }

  /// The plain microkernels, prepared before their first use.
  private static let preparedPlain: any MicrokernelSet.Type = {
    MicrokernelsPlain.Backend.prepare()
    return MicrokernelsPlain.Backend.self
  }()
}

extension WorkerPool {
  /// The microkernels that kernels on these workers use. Kernels read it once, before their loops.
  var microkernels: any MicrokernelSet.Type { instructionSet.microkernels }
}
