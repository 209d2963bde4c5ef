// The matrices of `WinogradAlgorithm`, after Lavin and Gray (CVPR 2016), each written out with the fewest operations:
// `input` is Bᵀ, `output` Aᵀ, `gradient` A, `filter` G and `filterGradient` Gᵀ. A comment gives the matrix where the
// code does not show it. Tests with lines of each length compare them with the definition of the convolution.

/// Two outputs between zeros: with m₀ = w₁(x₀ + x₁), m₁ = (w₂ − w₁)x₁, m₂ = (w₀ − w₁)x₀, the outputs are m₀ + m₁, m₀ +
/// m₂.
enum F2x3<V: SIMDVector> {
  @inline(__always)
  static func input(_ x: (Int) -> V, _ v: (Int, V) -> Void) {
    let x0 = x(0)
    let x1 = x(1)
    v(0, x0 + x1)
    v(1, x1)
    v(2, x0)
  }

  @inline(__always)
  static func output(_ m: (Int) -> V, _ y: (Int, V) -> Void) {
    let m0 = m(0)
    y(0, m0 + m(1))
    y(1, m0 + m(2))
  }

  @inline(__always)
  static func gradient(_ dy: (Int) -> V, _ z: (Int, V) -> Void) {
    let y0 = dy(0)
    let y1 = dy(1)
    z(0, y0 + y1)
    z(1, y0)
    z(2, y1)
  }

  @inline(__always)
  static func filter(_ w0: V, _ w1: V, _ w2: V, _ u: (Int, V) -> Void) {
    u(0, w1)
    u(1, w2 - w1)
    u(2, w0 - w1)
  }

  @inline(__always)
  static func filterGradient(_ du: (Int) -> V) -> (V, V, V) {
    let u1 = du(1)
    let u2 = du(2)
    return (u2, du(0) - u1 - u2, u1)
  }
}

/// Three outputs between zeros.
///
/// With the taps reversed, Σ y_k z_k is the cubic form x₁w₁z₁ + Σ x_i w_j z_l over the permutations of 0, 1, 2: the
/// polarization of v³ + 6uvt, which is [(u + 3v/2 + t)³ − (u − 3v/2 + t)³] / 6 − [(t − u + v/2)³ − (t − u − v/2)³] / 2,
/// four cubes of real linear forms. Each is a multiplication.
enum F3x3<V: SIMDVector> {
  /// Rows of Bᵀ: [1 ±3/2 1], [−1 ±1/2 1].
  @inline(__always)
  static func input(_ x: (Int) -> V, _ v: (Int, V) -> Void) {
    let x0 = x(0)
    let x1 = x(1)
    let x2 = x(2)
    let sum = x0 + x2
    let difference = x2 - x0
    v(0, fma(1.5, x1, sum))
    v(1, fma(-1.5, x1, sum))
    v(2, fma(0.5, x1, difference))
    v(3, fma(-0.5, x1, difference))
  }

  /// Rows of Aᵀ: [1 −1 −1 1], [3 3 −1 −1] / 2, [1 −1 1 −1].
  @inline(__always)
  static func output(_ m: (Int) -> V, _ y: (Int, V) -> Void) {
    let m0 = m(0)
    let m1 = m(1)
    let m2 = m(2)
    let m3 = m(3)
    let difference1 = m0 - m1
    let difference2 = m2 - m3
    y(0, difference1 - difference2)
    y(1, fma(1.5, m0 + m1, -0.5 * (m2 + m3)))
    y(2, difference1 + difference2)
  }

  @inline(__always)
  static func gradient(_ dy: (Int) -> V, _ z: (Int, V) -> Void) {
    let y0 = dy(0)
    let y1 = dy(1)
    let y2 = dy(2)
    let sum = y0 + y2
    let difference = y2 - y0
    z(0, fma(1.5, y1, sum))
    z(1, fma(1.5, y1, -sum))
    z(2, fma(-0.5, y1, difference))
    z(3, fma(-0.5, y1, -difference))
  }

  /// Rows of G: [1 ±3/2 1] / 6, [1 ±1/2 −1] / 2.
  @inline(__always)
  static func filter(_ w0: V, _ w1: V, _ w2: V, _ u: (Int, V) -> Void) {
    let sum = w0 + w2
    let difference = w0 - w2
    u(0, (1 / 6) * fma(1.5, w1, sum))
    u(1, (1 / 6) * fma(-1.5, w1, sum))
    u(2, 0.5 * fma(0.5, w1, difference))
    u(3, 0.5 * fma(-0.5, w1, difference))
  }

  @inline(__always)
  static func filterGradient(_ du: (Int) -> V) -> (V, V, V) {
    let u0 = du(0)
    let u1 = du(1)
    let u2 = du(2)
    let u3 = du(3)
    let sum = (1 / 6) * (u0 + u1)
    let difference = 0.5 * (u2 + u3)
    return (sum + difference, 0.25 * (u0 - u1 + u2 - u3), sum - difference)
  }
}

/// F(4, 3) at 0, ±1, ±2, ∞.
enum F4x3<V: SIMDVector> {
  /// Rows of Bᵀ: [4 0 −5 0 1 0], [0 −4 −4 1 1 0], [0 4 −4 −1 1 0], [0 −2 −1 2 1 0], [0 2 −1 −2 1 0], [0 4 0 −5 0 1].
  @inline(__always)
  static func input(_ x: (Int) -> V, _ v: (Int, V) -> Void) {
    let x0 = x(0)
    let x1 = x(1)
    let x2 = x(2)
    let x3 = x(3)
    let x4 = x(4)
    let x5 = x(5)
    let even1 = fma(-4, x2, x4)
    let odd1 = fma(-4, x1, x3)
    let even2 = x4 - x2
    let odd2 = x3 - x1
    v(0, fma(4, x0, fma(-5, x2, x4)))
    v(1, even1 + odd1)
    v(2, even1 - odd1)
    v(3, fma(2, odd2, even2))
    v(4, fma(-2, odd2, even2))
    v(5, fma(4, x1, fma(-5, x3, x5)))
  }

  /// Rows of Aᵀ: [1 1 1 1 1 0], [0 1 −1 2 −2 0], [0 1 1 4 4 0], [0 1 −1 8 −8 1].
  @inline(__always)
  static func output(_ m: (Int) -> V, _ y: (Int, V) -> Void) {
    let m1 = m(1)
    let m2 = m(2)
    let m3 = m(3)
    let m4 = m(4)
    let sum1 = m1 + m2
    let sum2 = m3 + m4
    let difference1 = m1 - m2
    let difference2 = m3 - m4
    y(0, m(0) + sum1 + sum2)
    y(1, fma(2, difference2, difference1))
    y(2, fma(4, sum2, sum1))
    y(3, fma(8, difference2, difference1) + m(5))
  }

  @inline(__always)
  static func gradient(_ dy: (Int) -> V, _ z: (Int, V) -> Void) {
    let y0 = dy(0)
    let y1 = dy(1)
    let y2 = dy(2)
    let y3 = dy(3)
    let even1 = y0 + y2
    let odd1 = y1 + y3
    let even2 = fma(4, y2, y0)
    let odd2 = fma(8, y3, y1 + y1)
    z(0, y0)
    z(1, even1 + odd1)
    z(2, even1 - odd1)
    z(3, even2 + odd2)
    z(4, even2 - odd2)
    z(5, y3)
  }

  /// Rows of G: [1 0 0] / 4, −[1 ±1 1] / 6, [1 ±2 4] / 24, [0 0 1].
  @inline(__always)
  static func filter(_ w0: V, _ w1: V, _ w2: V, _ u: (Int, V) -> Void) {
    let even1 = w0 + w2
    let even2 = fma(4, w2, w0)
    let odd2 = w1 + w1
    u(0, 0.25 * w0)
    u(1, (-1 / 6) * (even1 + w1))
    u(2, (-1 / 6) * (even1 - w1))
    u(3, (1 / 24) * (even2 + odd2))
    u(4, (1 / 24) * (even2 - odd2))
    u(5, w2)
  }

  @inline(__always)
  static func filterGradient(_ du: (Int) -> V) -> (V, V, V) {
    let u1 = du(1)
    let u2 = du(2)
    let u3 = du(3)
    let u4 = du(4)
    let sum1 = (-1 / 6) * (u1 + u2)
    let sum2 = (1 / 24) * (u3 + u4)
    return (
      fma(0.25, du(0), sum1 + sum2),
      fma(1 / 12, u3 - u4, (-1 / 6) * (u1 - u2)),
      fma(4, sum2, sum1 + du(5))
    )
  }
}

/// F(6, 3) at 0, ±1, ±2, ±1/2, ∞.
enum F6x3<V: SIMDVector> {
  /// Rows of Bᵀ: [−1 0 21/4 0 −21/4 0 1 0], [0 ±1 1 ∓17/4 −17/4 ±1 1 0], [0 ±1/2 1/4 ∓5/2 −5/4 ±2 1 0],
  /// [0 ±2 4 ∓5/2 −5 ±1/2 1 0], [0 −1 0 21/4 0 −21/4 0 1].
  @inline(__always)
  static func input(_ x: (Int) -> V, _ v: (Int, V) -> Void) {
    let x1 = x(1)
    let x2 = x(2)
    let x3 = x(3)
    let x4 = x(4)
    let x5 = x(5)
    let x6 = x(6)
    v(0, fma(5.25, x2 - x4, x6 - x(0)))
    v(7, fma(5.25, x3 - x5, x(7) - x1))
    let even1 = fma(-4.25, x4, x2 + x6)
    let odd1 = fma(-4.25, x3, x1 + x5)
    v(1, even1 + odd1)
    v(2, even1 - odd1)
    let even2 = fma(0.25, x2, fma(-1.25, x4, x6))
    let odd2 = fma(0.5, x1, fma(-2.5, x3, x5 + x5))
    v(3, even2 + odd2)
    v(4, even2 - odd2)
    let even3 = fma(4, x2, fma(-5, x4, x6))
    let odd3 = fma(0.5, x5, fma(-2.5, x3, x1 + x1))
    v(5, even3 + odd3)
    v(6, even3 - odd3)
  }

  /// Aᵀ: row r holds the r-th powers of the points; the last row also adds the product at ∞.
  @inline(__always)
  static func output(_ m: (Int) -> V, _ y: (Int, V) -> Void) {
    let m1 = m(1)
    let m2 = m(2)
    let m3 = m(3)
    let m4 = m(4)
    let m5 = m(5)
    let m6 = m(6)
    let sum1 = m1 + m2
    let sum2 = m3 + m4
    let sum3 = m5 + m6
    let difference1 = m1 - m2
    let difference2 = m3 - m4
    let difference3 = m5 - m6
    y(0, m(0) + sum1 + sum2 + sum3)
    y(1, fma(0.5, difference3, fma(2, difference2, difference1)))
    y(2, fma(0.25, sum3, fma(4, sum2, sum1)))
    y(3, fma(0.125, difference3, fma(8, difference2, difference1)))
    y(4, fma(0.0625, sum3, fma(16, sum2, sum1)))
    let last = fma(0.03125, difference3, fma(32, difference2, difference1))
    y(5, last + m(7))
  }

  @inline(__always)
  static func gradient(_ dy: (Int) -> V, _ z: (Int, V) -> Void) {
    let y0 = dy(0)
    let y1 = dy(1)
    let y2 = dy(2)
    let y3 = dy(3)
    let y4 = dy(4)
    let y5 = dy(5)
    z(0, y0)
    let even1 = y0 + y2 + y4
    let odd1 = y1 + y3 + y5
    z(1, even1 + odd1)
    z(2, even1 - odd1)
    let even2 = fma(16, y4, fma(4, y2, y0))
    let odd2 = fma(32, y5, fma(8, y3, y1 + y1))
    z(3, even2 + odd2)
    z(4, even2 - odd2)
    let even3 = fma(0.0625, y4, fma(0.25, y2, y0))
    let odd3 = fma(0.03125, y5, fma(0.125, y3, 0.5 * y1))
    z(5, even3 + odd3)
    z(6, even3 - odd3)
    z(7, y5)
  }

  /// Rows of G: −[1 0 0], −[1 ±1 1] · 2/9, [1 ±2 4] / 90, [1 ±1/2 1/4] · 32/45, [0 0 1].
  @inline(__always)
  static func filter(_ w0: V, _ w1: V, _ w2: V, _ u: (Int, V) -> Void) {
    let even1 = w0 + w2
    let even2 = fma(4, w2, w0)
    let odd2 = w1 + w1
    let even3 = fma(0.25, w2, w0)
    let odd3 = 0.5 * w1
    u(0, -w0)
    u(1, (-2 / 9) * (even1 + w1))
    u(2, (-2 / 9) * (even1 - w1))
    u(3, (1 / 90) * (even2 + odd2))
    u(4, (1 / 90) * (even2 - odd2))
    u(5, (32 / 45) * (even3 + odd3))
    u(6, (32 / 45) * (even3 - odd3))
    u(7, w2)
  }

  @inline(__always)
  static func filterGradient(_ du: (Int) -> V) -> (V, V, V) {
    let u1 = du(1)
    let u2 = du(2)
    let u3 = du(3)
    let u4 = du(4)
    let u5 = du(5)
    let u6 = du(6)
    let sum1 = (-2 / 9) * (u1 + u2)
    let sum2 = (1 / 90) * (u3 + u4)
    let sum3 = (32 / 45) * (u5 + u6)
    let difference1 = (-2 / 9) * (u1 - u2)
    return (
      sum1 + sum2 + sum3 - du(0),
      fma(1 / 45, u3 - u4, fma(16 / 45, u5 - u6, difference1)),
      fma(0.25, sum3, fma(4, sum2, sum1)) + du(7)
    )
  }
}
