import Microkernels

/// The loops as this target compiles them.
package enum Backend: MicrokernelSet {
  #if AVX512
    package static let name = "AVX-512"
  #elseif FUSED
    package static let name = "AVX2"
  #else
    package static let name = "plain"
  #endif
}
