import Microkernels

/// The microkernels for x86-64-v4 with AVX512-BF16, which multiplies bfloat16 numbers at twice the rate of floats on Zen 4,
/// and at half of it on Intel's processors (`InstructionSet.isWorthIt`).
package enum Backend: MicrokernelSet {
  package static let name = "AVX512-BF16"
}
