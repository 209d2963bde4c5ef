import Tensors

// The matrices of `WinogradAlgorithm`, each written out with the fewest operations. A comment gives the matrix where
// the code does not show it. Tests of lines of each length hold them against the definition of the convolution.

/// Two outputs between zeros: with m₀ = w₁(x₀ + x₁), m₁ = (w₂ − w₁)x₁, m₂ = (w₀ − w₁)x₀, the outputs are m₀ + m₁, m₀ + m₂.
enum TwoOutputs {
  @inline(__always)
  static func input(_ x: UnsafePointer<Float>, _ from: Int, _ v: UnsafeMutablePointer<Float>, _ to: Int) {
    let x0 = x.vector()
    let x1 = x.vector(from)
    v.store(x0 + x1)
    v.store(x1, to)
    v.store(x0, 2 * to)
  }

  @inline(__always)
  static func output(
    _ m: UnsafePointer<Float>, _ from: Int, _ y: UnsafeMutablePointer<Float>, _ to: Int, _ count: Int
  ) {
    let m0 = m.vector()
    y.store(m0 + m.vector(from))
    if count > 1 { y.store(m0 + m.vector(2 * from), to) }
  }

  @inline(__always)
  static func gradient(_ dy: UnsafePointer<Float>, _ from: Int, _ z: UnsafeMutablePointer<Float>, _ to: Int) {
    let y0 = dy.vector()
    let y1 = dy.vector(from)
    z.store(y0 + y1)
    z.store(y0, to)
    z.store(y1, 2 * to)
  }

  @inline(__always)
  static func filter(_ w0: Vector, _ w1: Vector, _ w2: Vector, _ u: UnsafeMutablePointer<Float>, _ to: Int) {
    u.store(w1)
    u.store(w2 - w1, to)
    u.store(w0 - w1, 2 * to)
  }

  @inline(__always)
  static func filterGradient(_ du: UnsafePointer<Float>, _ from: Int) -> (Vector, Vector, Vector) {
    let u1 = du.vector(from)
    let u2 = du.vector(2 * from)
    return (u2, du.vector() - u1 - u2, u1)
  }
}

/// F(3, 3) at 0, 1, −1, 2, ∞.
enum ThreeOutputs {
  /// Rows of Bᵀ: [2 −1 −2 1 0], [0 −2 −1 1 0], [0 2 −3 1 0], [0 −1 0 1 0], [0 2 −1 −2 1].
  @inline(__always)
  static func input(_ x: UnsafePointer<Float>, _ from: Int, _ v: UnsafeMutablePointer<Float>, _ to: Int) {
    let x1 = x.vector(from)
    let x2 = x.vector(2 * from)
    let x3 = x.vector(3 * from)
    let odd = x3 - x1
    v.store(multiplyAdd(2, x.vector() - x2, odd))
    v.store(multiplyAdd(-2, x1, x3 - x2), to)
    v.store(multiplyAdd(2, x1, multiplyAdd(-3, x2, x3)), 2 * to)
    v.store(odd, 3 * to)
    v.store(multiplyAdd(-2, odd, x.vector(4 * from) - x2), 4 * to)
  }

  /// Rows of Aᵀ: [1 1 1 1 0], [0 1 −1 2 0], [0 1 1 4 1].
  @inline(__always)
  static func output(
    _ m: UnsafePointer<Float>, _ from: Int, _ y: UnsafeMutablePointer<Float>, _ to: Int, _ count: Int
  ) {
    let m1 = m.vector(from)
    let m2 = m.vector(2 * from)
    let m3 = m.vector(3 * from)
    let sum = m1 + m2
    y.store(m.vector() + sum + m3)
    if count > 1 { y.store(multiplyAdd(2, m3, m1 - m2), to) }
    if count > 2 { y.store(multiplyAdd(4, m3, sum) + m.vector(4 * from), 2 * to) }
  }

  @inline(__always)
  static func gradient(_ dy: UnsafePointer<Float>, _ from: Int, _ z: UnsafeMutablePointer<Float>, _ to: Int) {
    let y0 = dy.vector()
    let y1 = dy.vector(from)
    let y2 = dy.vector(2 * from)
    let even = y0 + y2
    z.store(y0)
    z.store(even + y1, to)
    z.store(even - y1, 2 * to)
    z.store(multiplyAdd(4, y2, multiplyAdd(2, y1, y0)), 3 * to)
    z.store(y2, 4 * to)
  }

  /// Rows of G: [1 0 0] / 2, −[1 1 1] / 2, −[1 −1 1] / 6, [1 2 4] / 6, [0 0 1].
  @inline(__always)
  static func filter(_ w0: Vector, _ w1: Vector, _ w2: Vector, _ u: UnsafeMutablePointer<Float>, _ to: Int) {
    let even = w0 + w2
    u.store(0.5 * w0)
    u.store(-0.5 * (even + w1), to)
    u.store((-1 / 6) * (even - w1), 2 * to)
    u.store((1 / 6) * multiplyAdd(4, w2, multiplyAdd(2, w1, w0)), 3 * to)
    u.store(w2, 4 * to)
  }

  @inline(__always)
  static func filterGradient(_ du: UnsafePointer<Float>, _ from: Int) -> (Vector, Vector, Vector) {
    let u1 = -0.5 * du.vector(from)
    let u2 = (-1 / 6) * du.vector(2 * from)
    let u3 = (1 / 6) * du.vector(3 * from)
    let sum = u1 + u2
    return (
      multiplyAdd(0.5, du.vector(), sum + u3), multiplyAdd(2, u3, u1 - u2),
      multiplyAdd(4, u3, sum + du.vector(4 * from))
    )
  }
}

/// F(4, 3) at 0, ±1, ±2, ∞: Lavin and Gray, CVPR 2016.
enum FourOutputs {
  /// Rows of Bᵀ: [4 0 −5 0 1 0], [0 −4 −4 1 1 0], [0 4 −4 −1 1 0], [0 −2 −1 2 1 0], [0 2 −1 −2 1 0], [0 4 0 −5 0 1].
  @inline(__always)
  static func input(_ x: UnsafePointer<Float>, _ from: Int, _ v: UnsafeMutablePointer<Float>, _ to: Int) {
    let x0 = x.vector()
    let x1 = x.vector(from)
    let x2 = x.vector(2 * from)
    let x3 = x.vector(3 * from)
    let x4 = x.vector(4 * from)
    let x5 = x.vector(5 * from)
    let even1 = multiplyAdd(-4, x2, x4)
    let odd1 = multiplyAdd(-4, x1, x3)
    let even2 = x4 - x2
    let odd2 = x3 - x1
    v.store(multiplyAdd(4, x0, multiplyAdd(-5, x2, x4)))
    v.store(even1 + odd1, to)
    v.store(even1 - odd1, 2 * to)
    v.store(multiplyAdd(2, odd2, even2), 3 * to)
    v.store(multiplyAdd(-2, odd2, even2), 4 * to)
    v.store(multiplyAdd(4, x1, multiplyAdd(-5, x3, x5)), 5 * to)
  }

  /// Rows of Aᵀ: [1 1 1 1 1 0], [0 1 −1 2 −2 0], [0 1 1 4 4 0], [0 1 −1 8 −8 1].
  @inline(__always)
  static func output(
    _ m: UnsafePointer<Float>, _ from: Int, _ y: UnsafeMutablePointer<Float>, _ to: Int, _ count: Int
  ) {
    let m1 = m.vector(from)
    let m2 = m.vector(2 * from)
    let m3 = m.vector(3 * from)
    let m4 = m.vector(4 * from)
    let sum1 = m1 + m2
    let sum2 = m3 + m4
    let difference1 = m1 - m2
    let difference2 = m3 - m4
    y.store(m.vector() + sum1 + sum2)
    if count > 1 { y.store(multiplyAdd(2, difference2, difference1), to) }
    if count > 2 { y.store(multiplyAdd(4, sum2, sum1), 2 * to) }
    if count > 3 { y.store(multiplyAdd(8, difference2, difference1) + m.vector(5 * from), 3 * to) }
  }

  @inline(__always)
  static func gradient(_ dy: UnsafePointer<Float>, _ from: Int, _ z: UnsafeMutablePointer<Float>, _ to: Int) {
    let y0 = dy.vector()
    let y1 = dy.vector(from)
    let y2 = dy.vector(2 * from)
    let y3 = dy.vector(3 * from)
    let even1 = y0 + y2
    let odd1 = y1 + y3
    let even2 = multiplyAdd(4, y2, y0)
    let odd2 = multiplyAdd(8, y3, y1 + y1)
    z.store(y0)
    z.store(even1 + odd1, to)
    z.store(even1 - odd1, 2 * to)
    z.store(even2 + odd2, 3 * to)
    z.store(even2 - odd2, 4 * to)
    z.store(y3, 5 * to)
  }

  /// Rows of G: [1 0 0] / 4, −[1 ±1 1] / 6, [1 ±2 4] / 24, [0 0 1].
  @inline(__always)
  static func filter(_ w0: Vector, _ w1: Vector, _ w2: Vector, _ u: UnsafeMutablePointer<Float>, _ to: Int) {
    let even1 = w0 + w2
    let even2 = multiplyAdd(4, w2, w0)
    let odd2 = w1 + w1
    u.store(0.25 * w0)
    u.store((-1 / 6) * (even1 + w1), to)
    u.store((-1 / 6) * (even1 - w1), 2 * to)
    u.store((1 / 24) * (even2 + odd2), 3 * to)
    u.store((1 / 24) * (even2 - odd2), 4 * to)
    u.store(w2, 5 * to)
  }

  @inline(__always)
  static func filterGradient(_ du: UnsafePointer<Float>, _ from: Int) -> (Vector, Vector, Vector) {
    let u1 = du.vector(from)
    let u2 = du.vector(2 * from)
    let u3 = du.vector(3 * from)
    let u4 = du.vector(4 * from)
    let sum1 = (-1 / 6) * (u1 + u2)
    let sum2 = (1 / 24) * (u3 + u4)
    return (
      multiplyAdd(0.25, du.vector(), sum1 + sum2),
      multiplyAdd(1 / 12, u3 - u4, (-1 / 6) * (u1 - u2)),
      multiplyAdd(4, sum2, sum1 + du.vector(5 * from))
    )
  }
}

/// F(6, 3) at 0, ±1, ±2, ±1/2, ∞.
enum SixOutputs {
  /// Rows of Bᵀ: [−1 0 21/4 0 −21/4 0 1 0], [0 ±1 1 ∓17/4 −17/4 ±1 1 0], [0 ±1/2 1/4 ∓5/2 −5/4 ±2 1 0],
  /// [0 ±2 4 ∓5/2 −5 ±1/2 1 0], [0 −1 0 21/4 0 −21/4 0 1].
  @inline(__always)
  static func input(_ x: UnsafePointer<Float>, _ from: Int, _ v: UnsafeMutablePointer<Float>, _ to: Int) {
    let x1 = x.vector(from)
    let x2 = x.vector(2 * from)
    let x3 = x.vector(3 * from)
    let x4 = x.vector(4 * from)
    let x5 = x.vector(5 * from)
    let x6 = x.vector(6 * from)
    v.store(multiplyAdd(5.25, x2 - x4, x6 - x.vector()))
    v.store(multiplyAdd(5.25, x3 - x5, x.vector(7 * from) - x1), 7 * to)
    let even1 = multiplyAdd(-4.25, x4, x2 + x6)
    let odd1 = multiplyAdd(-4.25, x3, x1 + x5)
    v.store(even1 + odd1, to)
    v.store(even1 - odd1, 2 * to)
    let even2 = multiplyAdd(0.25, x2, multiplyAdd(-1.25, x4, x6))
    let odd2 = multiplyAdd(0.5, x1, multiplyAdd(-2.5, x3, x5 + x5))
    v.store(even2 + odd2, 3 * to)
    v.store(even2 - odd2, 4 * to)
    let even3 = multiplyAdd(4, x2, multiplyAdd(-5, x4, x6))
    let odd3 = multiplyAdd(0.5, x5, multiplyAdd(-2.5, x3, x1 + x1))
    v.store(even3 + odd3, 5 * to)
    v.store(even3 - odd3, 6 * to)
  }

  /// Aᵀ: row r holds the r-th powers of the points; the last row takes the product at ∞ as well.
  @inline(__always)
  static func output(
    _ m: UnsafePointer<Float>, _ from: Int, _ y: UnsafeMutablePointer<Float>, _ to: Int, _ count: Int
  ) {
    let m1 = m.vector(from)
    let m2 = m.vector(2 * from)
    let m3 = m.vector(3 * from)
    let m4 = m.vector(4 * from)
    let m5 = m.vector(5 * from)
    let m6 = m.vector(6 * from)
    let sum1 = m1 + m2
    let sum2 = m3 + m4
    let sum3 = m5 + m6
    let difference1 = m1 - m2
    let difference2 = m3 - m4
    let difference3 = m5 - m6
    y.store(m.vector() + sum1 + sum2 + sum3)
    if count > 1 { y.store(multiplyAdd(0.5, difference3, multiplyAdd(2, difference2, difference1)), to) }
    if count > 2 { y.store(multiplyAdd(0.25, sum3, multiplyAdd(4, sum2, sum1)), 2 * to) }
    if count > 3 { y.store(multiplyAdd(0.125, difference3, multiplyAdd(8, difference2, difference1)), 3 * to) }
    if count > 4 { y.store(multiplyAdd(0.0625, sum3, multiplyAdd(16, sum2, sum1)), 4 * to) }
    if count > 5 {
      let last = multiplyAdd(0.03125, difference3, multiplyAdd(32, difference2, difference1))
      y.store(last + m.vector(7 * from), 5 * to)
    }
  }

  @inline(__always)
  static func gradient(_ dy: UnsafePointer<Float>, _ from: Int, _ z: UnsafeMutablePointer<Float>, _ to: Int) {
    let y0 = dy.vector()
    let y1 = dy.vector(from)
    let y2 = dy.vector(2 * from)
    let y3 = dy.vector(3 * from)
    let y4 = dy.vector(4 * from)
    let y5 = dy.vector(5 * from)
    z.store(y0)
    let even1 = y0 + y2 + y4
    let odd1 = y1 + y3 + y5
    z.store(even1 + odd1, to)
    z.store(even1 - odd1, 2 * to)
    let even2 = multiplyAdd(16, y4, multiplyAdd(4, y2, y0))
    let odd2 = multiplyAdd(32, y5, multiplyAdd(8, y3, y1 + y1))
    z.store(even2 + odd2, 3 * to)
    z.store(even2 - odd2, 4 * to)
    let even3 = multiplyAdd(0.0625, y4, multiplyAdd(0.25, y2, y0))
    let odd3 = multiplyAdd(0.03125, y5, multiplyAdd(0.125, y3, 0.5 * y1))
    z.store(even3 + odd3, 5 * to)
    z.store(even3 - odd3, 6 * to)
    z.store(y5, 7 * to)
  }

  /// Rows of G: −[1 0 0], −[1 ±1 1] · 2/9, [1 ±2 4] / 90, [1 ±1/2 1/4] · 32/45, [0 0 1].
  @inline(__always)
  static func filter(_ w0: Vector, _ w1: Vector, _ w2: Vector, _ u: UnsafeMutablePointer<Float>, _ to: Int) {
    let even1 = w0 + w2
    let even2 = multiplyAdd(4, w2, w0)
    let odd2 = w1 + w1
    let even3 = multiplyAdd(0.25, w2, w0)
    let odd3 = 0.5 * w1
    u.store(-w0)
    u.store((-2 / 9) * (even1 + w1), to)
    u.store((-2 / 9) * (even1 - w1), 2 * to)
    u.store((1 / 90) * (even2 + odd2), 3 * to)
    u.store((1 / 90) * (even2 - odd2), 4 * to)
    u.store((32 / 45) * (even3 + odd3), 5 * to)
    u.store((32 / 45) * (even3 - odd3), 6 * to)
    u.store(w2, 7 * to)
  }

  @inline(__always)
  static func filterGradient(_ du: UnsafePointer<Float>, _ from: Int) -> (Vector, Vector, Vector) {
    let u1 = du.vector(from)
    let u2 = du.vector(2 * from)
    let u3 = du.vector(3 * from)
    let u4 = du.vector(4 * from)
    let u5 = du.vector(5 * from)
    let u6 = du.vector(6 * from)
    let sum1 = (-2 / 9) * (u1 + u2)
    let sum2 = (1 / 90) * (u3 + u4)
    let sum3 = (32 / 45) * (u5 + u6)
    let difference1 = (-2 / 9) * (u1 - u2)
    return (
      sum1 + sum2 + sum3 - du.vector(),
      multiplyAdd(1 / 45, u3 - u4, multiplyAdd(16 / 45, u5 - u6, difference1)),
      multiplyAdd(0.25, sum3, multiplyAdd(4, sum2, sum1)) + du.vector(7 * from)
    )
  }
}
