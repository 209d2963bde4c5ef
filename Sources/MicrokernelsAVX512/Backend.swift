import Microkernels

/// The microkernels for x86-64-v4: AVX-512.
package enum Backend: MicrokernelSet {
  package static let name = "AVX-512"
}
