import Foundation
import Kernels
import Microkernels
import Testing

@Suite("Functions of vectors")
struct VectorMathTests {
  /// The error in units in the last place (ulp) of single precision; an unexpected NaN is infinitely far.
  private func error(_ value: Float, _ exact: Double) -> Double {
    if exact.isNaN { return value.isNaN ? 0 : .infinity }
    if abs(exact) >= 0x1.ffffffp127 { return Double(value) == (exact > 0 ? .infinity : -.infinity) ? 0 : .infinity }
    let distance = abs(Double(value) - exact)
    return distance.isNaN ? .infinity : distance / Double(max(abs(Float(exact)).ulp, Float.leastNonzeroMagnitude))
  }

  private func worst(
    _ arguments: [Float], _ function: (Vector) -> Vector, _ exact: (Double) -> Double
  ) -> (error: Double, at: Float) {
    var worst = (error: 0.0, at: Float(0))
    for start in stride(from: 0, to: arguments.count, by: 8) {
      var vector = Vector.zero
      for lane in 0..<8 where start + lane < arguments.count { vector[lane] = arguments[start + lane] }
      let values = function(vector)
      for lane in 0..<8 {
        let error = error(values[lane], exact(Double(vector[lane])))
        if error > worst.error { worst = (error, vector[lane]) }
      }
    }
    return worst
  }

  @Test("The exponential is within 2 units in the last place, from underflow to overflow")
  func exponential() {
    let arguments =
      (0..<800_000).map { -110 + Float($0) * 0.000_25 } + [0, -0, 1e-10, -1e-10, .infinity, -.infinity, .nan]
    let worst = worst(arguments, VectorMath.exp) { exp($0) }
    #expect(worst.error < 2, "at \(worst.at)")
  }

  @Test("The logarithm is within 2 units in the last place, subnormal numbers included")
  func logarithm() {
    let everywhere = (0..<500_000).map { Float(bitPattern: UInt32($0) * 4277 + 1) }
    let aroundOne = (0..<300_000).map { 0.6 + Float($0) * 3e-6 }
    let ends: [Float] = [0, -0, 1, .infinity, .nan, -1, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude]
    let worst = worst(everywhere + aroundOne + ends, VectorMath.log) { log($0) }
    #expect(worst.error < 2, "at \(worst.at)")
  }

  @Test("The logarithm of 1 − p is as accurate for small p as for large p")
  func complement() {
    let arguments =
      (0...400_000).map { Float($0) / 400_000 } + (0..<200).map { Float(pow(0.8, Double($0))) } + [0, 1, .nan]
    let worst = worst(arguments, VectorMath.logOfComplement) { log1p(-$0) }
    #expect(worst.error < 3, "at \(worst.at)")
  }

  @Test("Sums, maxima and minima include every lane")
  func acrossLanes() {
    for lane in 0..<8 {
      var vector = Vector(-3, -4, -5, -6, -7, -8, -9, -10)
      vector[lane] = 5
      #expect(VectorMath.largest(vector) == 5)
      #expect(vector.horizontalSum == (0..<8).reduce(0) { $0 + vector[$1] })
      var integers = VectorMath.Integers(3, 4, 5, 6, 7, 8, 9, 10)
      integers[lane] = -5
      #expect(VectorMath.smallest(integers) == -5)
    }
  }

  @Test("Vectors are loaded from and stored to any float")
  func unalignedAccess() {
    var values = (0..<20).map { Float($0) }
    values.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return }
      #expect(start.vector(3) == [3, 4, 5, 6, 7, 8, 9, 10])
      start.store(2 * start.vector(1) + start.vector(2), 5)
    }
    #expect(values[4...13] == [4, 4, 7, 10, 13, 16, 19, 22, 25, 13])
  }
}
