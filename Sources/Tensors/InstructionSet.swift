import Glibc
import Microkernels
import System

/// The instruction sets that the microkernels are compiled for.
package enum InstructionSet: String, CaseIterable, Sendable {
  /// The baseline of the architecture (SSE2 on x86-64, NEON on arm64), with GEMM by OpenBLAS.
  case plain
  #if arch(x86_64)
    /// AVX2 and FMA: x86-64-v3.
    case avx2
    /// AVX-512: x86-64-v4.
    case avx512
    /// AVX-512 with products of bfloat16 numbers.
    case avx512bf16
  #endif

  /// The environment variable that selects one in place of the default.
  package static let variable = "GSCNN_INSTRUCTIONS"

  /// The instruction sets that this processor supports, the widest last.
  package static let supported: [InstructionSet] = {
    let present = processorFlags()
    return allCases.filter { $0.flags.isSubset(of: present) }
  }()

  /// The default of `WorkerPool`: the widest supported that is worth it, or the one that the environment variable selects.
  package static let chosen: InstructionSet = {
    let named = getenv(variable).flatMap { InstructionSet(rawValue: String(cString: $0)) }
    return supported.last { set in named.map { set == $0 } ?? set.isWorthIt } ?? .plain
  }()

  /// The flags that /proc/cpuinfo must list. Linux lists an instruction set only if it saves its registers.
  private var flags: Set<String> {
    switch self {
    case .plain: []
    #if arch(x86_64)
      case .avx2: ["avx", "avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"]
      case .avx512:
        InstructionSet.avx2.flags.union(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"])
      case .avx512bf16: InstructionSet.avx512.flags.union(["avx512_bf16"])
    #endif
    }
  }

  /// Whether the processor is faster with it than with the set before. Intel's processors from Sapphire Rapids on, which
  /// AVX512-FP16 tells from earlier ones, multiply bfloat16 numbers quickly in tiles (AMX) only: the instruction of
  /// AVX512-BF16 takes four times as long as a fused multiply-add of floats and does twice the work.
  private var isWorthIt: Bool {
    #if arch(x86_64)
      self != .avx512bf16 || !Self.isIntel || !Self.processorFlags().contains("avx512_fp16")
    #else
      true
    #endif
  }

  /// Whether matrix products of this precision have the same bits with another instruction set.
  package func hasSameProducts(as other: InstructionSet, in precision: Precision) -> Bool {
    if self == other { return true }
    #if arch(x86_64)
      let blocked: Set<InstructionSet> = precision == .float32 ? [.avx2, .avx512, .avx512bf16] : [.avx2, .avx512]
      return blocked.isSuperset(of: [self, other])
    #else
      return false
    #endif
  }

  private static var isIntel: Bool {
    Procfs.firstLine(of: "/proc/cpuinfo", after: "vendor_id")?.contains("GenuineIntel") ?? false
  }

  private static func processorFlags() -> Set<String> {
    let line = Procfs.firstLine(of: "/proc/cpuinfo", after: "flags") ?? ""
    return Set(line.split(whereSeparator: { $0.isWhitespace || $0 == ":" }).map(String.init))
  }
}
