import Microkernels

/// Functions of eight numbers at a time; lanes are independent of each other.
package enum VectorMath {
  // MARK: - Exponential and logarithm

  /// eˣ, within 2 units in the last place over the whole range; 0 and ∞ beyond it, NaN of NaN.
  ///
  /// x = n · ln 2 + r with |r| ≤ ln 2 / 2; a polynomial gives eʳ (Cephes, `expf`), the exponent bits give 2ⁿ. 2ⁿ is
  /// applied as two factors, so that subnormal results are rounded once and not flushed to zero.
  @inline(__always)
  package static func exp(_ x: Vector) -> Vector {
    let bounded = x.replacing(with: 89, where: x .> 89)
    let argument = bounded.replacing(with: -104, where: bounded .< -104)
    // Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the mantissa.
    let shifted = multiplyAdd(1.442_695_04, argument, Vector(repeating: integerShift))
    let n = shifted - integerShift
    let r = multiplyAdd(2.121_944_40e-4, n, multiplyAdd(-0.693_359_375, n, argument))
    var series = Vector(repeating: 1.987_569_15e-4)
    series = multiplyAdd(series, r, Vector(repeating: 1.398_199_950_7e-3))
    series = multiplyAdd(series, r, Vector(repeating: 8.333_451_907_3e-3))
    series = multiplyAdd(series, r, Vector(repeating: 4.166_579_589_4e-2))
    series = multiplyAdd(series, r, Vector(repeating: 1.666_666_545_9e-1))
    series = multiplyAdd(series, r, Vector(repeating: 5.000_000_120_1e-1))
    let fraction = multiplyAdd(series, r * r, r) + 1
    let exponent = integers(shifted) &- Integers(repeating: Int32(bitPattern: integerShift.bitPattern))
    let half = exponent &>> 1
    return fraction * powerOfTwo(half) * powerOfTwo(exponent &- half)
  }

  /// ln x, within 2 units in the last place; −∞ of 0, NaN of negative numbers and NaN.
  ///
  /// x = 2ⁿ · m with m in [√½, √2); a polynomial gives ln m (Cephes, `logf`).
  @inline(__always)
  package static func log(_ x: Vector) -> Vector {
    let small = x .< Float.leastNormalMagnitude
    let normal = x.replacing(with: x * 8_388_608, where: small)
    // Subtracting the bits of √½ makes the exponent field n for mantissas from √½ on.
    let rootBits = Integers(repeating: Int32(bitPattern: Float(0.5).squareRoot().bitPattern))
    let distance = integers(normal) &- rootBits
    let power = distance &>> 23
    let m = floats((distance & Integers(repeating: 0x7F_FFFF)) &+ rootBits)
    let n = number(power) - Vector(repeating: 0).replacing(with: 23, where: small)
    let f = m - 1
    let square = f * f
    var series = Vector(repeating: 7.037_683_629_2e-2)
    series = multiplyAdd(series, f, Vector(repeating: -1.151_461_031_0e-1))
    series = multiplyAdd(series, f, Vector(repeating: 1.167_699_874_0e-1))
    series = multiplyAdd(series, f, Vector(repeating: -1.242_014_084_6e-1))
    series = multiplyAdd(series, f, Vector(repeating: 1.424_932_278_7e-1))
    series = multiplyAdd(series, f, Vector(repeating: -1.666_805_766_5e-1))
    series = multiplyAdd(series, f, Vector(repeating: 2.000_071_476_5e-1))
    series = multiplyAdd(series, f, Vector(repeating: -2.499_999_399_3e-1))
    series = multiplyAdd(series, f, Vector(repeating: 3.333_333_117_4e-1))
    var rest = multiplyAdd(-2.121_944_40e-4, n, series * f * square)
    rest = multiplyAdd(-0.5, square, rest)
    var result = multiplyAdd(0.693_359_375, n, f + rest)
    result.replace(with: -.infinity, where: x .== 0)
    result.replace(with: .infinity, where: x .== .infinity)
    return result.replacing(with: .nan, where: .!(x .>= 0))
  }

  /// ln(1 − p) for p in [0, 1], as accurate near p = 0 as elsewhere; −∞ of 1.
  ///
  /// q = 1 − p is rounded; the rounding error d = (1 − q) − p is corrected by ln(q + d) ≈ ln q + d / q.
  @inline(__always)
  package static func logOfComplement(_ p: Vector) -> Vector {
    let q = 1 - p
    let lost = (1 - q) - p
    return log(q) + lost / q.replacing(with: 1, where: q .== 0)
  }

  // MARK: - Across lanes

  /// The larger number of each lane, in one instruction; `a` if either is NaN.
  @inline(__always)
  package static func larger(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: b .> a) }

  /// The largest of the eight lanes.
  @inline(__always)
  package static func largest(_ x: Vector) -> Float {
    let four = x.lowHalf.replacing(with: x.highHalf, where: x.highHalf .> x.lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
    return two.y > two.x ? two.y : two.x
  }

  /// The smallest of the eight lanes.
  @inline(__always)
  package static func smallest(_ x: Integers) -> Int32 {
    let four = x.lowHalf.replacing(with: x.highHalf, where: x.highHalf .< x.lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .< four.lowHalf)
    return min(two.x, two.y)
  }

  // MARK: - Lanes of integers

  /// Eight integers beside eight floats.
  package typealias Integers = SIMD8<Int32>

  /// The lanes from `count` on: the padding in the last vector of a pixel.
  package static func lanes(from count: Int) -> SIMDMask<Integers> {
    Integers(0, 1, 2, 3, 4, 5, 6, 7) .>= Integers(repeating: Int32(count))
  }

  private static let integerShift: Float = 12_582_912

  /// `a · b + c`, fused on arm64 only, so that x86-64 gives the same bits on every instruction set.
  @inline(__always)
  private static func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
    #if arch(arm64)
      c.addingProduct(a, b)
    #else
      a * b + c
    #endif
  }

  /// The same with one `a` for every lane.
  @inline(__always)
  private static func multiplyAdd(_ a: Float, _ b: Vector, _ c: Vector) -> Vector {
    multiplyAdd(Vector(repeating: a), b, c)
  }

  @inline(__always)
  private static func integers(_ x: Vector) -> Integers { unsafeBitCast(x, to: Integers.self) }

  @inline(__always)
  private static func floats(_ bits: Integers) -> Vector { unsafeBitCast(bits, to: Vector.self) }

  /// 2ⁿ for n from −126 to 127.
  @inline(__always)
  private static func powerOfTwo(_ n: Integers) -> Vector { floats((n &+ 127) &<< 23) }

  /// Small integers as floats.
  @inline(__always)
  private static func number(_ n: Integers) -> Vector {
    floats(n &+ Integers(repeating: Int32(bitPattern: integerShift.bitPattern))) - integerShift
  }
}
