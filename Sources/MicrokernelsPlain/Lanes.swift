#if FUSED && arch(x86_64)
  import CIntrinsics
#endif

/// Eight floats: pixels are whole vectors of eight.
typealias Vector = SIMD8<Float>

/// The widest vector that the processor multiplies in one instruction.
#if AVX512
  typealias Wide = SIMD16<Float>
#else
  typealias Wide = SIMD8<Float>
#endif

/// A vector of floats, of eight or of sixteen.
protocol Lanes: SIMD where Scalar == Float {
  /// `max(x, 0)`: here, for a comparison of vectors is one instruction only where their type is known.
  var rectified: Self { get }

  /// Writes to memory past the caches, which need not fetch what is overwritten: a third less traffic where a result does not
  /// fit them anyway. Lines of 64 bytes should be written whole, and the address must be aligned to the vector.
  ///
  /// Such writes come late to other cores; the locked instructions with which workers report the end of their tasks wait for them.
  func stream(to target: UnsafeMutablePointer<Float>)

  #if !FUSED && !arch(arm64)
    /// `a · b + c` in double precision, where the product is exact; then rounded.
    static func multiplyAddInDouble(_ a: Self, _ b: Self, _ c: Self) -> Self
  #endif
}

extension Lanes {
  /// Writes to memory, past the caches where `streaming` asks for it and a vector is a whole line of them.
  @inline(__always)
  func write(to target: UnsafeMutablePointer<Float>, streaming: Bool) {
    if Self.scalarCount == 16 && streaming { stream(to: target) } else { target.store(self) }
  }
}

extension SIMD8<Float>: Lanes {
  // `pointwiseMax` takes sixteen times as long.
  @inline(__always)
  var rectified: SIMD8<Float> { replacing(with: 0, where: self .< 0) }

  @inline(__always)
  func stream(to target: UnsafeMutablePointer<Float>) {
    #if FUSED && arch(x86_64)
      _mm256_stream_ps(target, self)
    #else
      target.store(self)
    #endif
  }

  #if !FUSED && !arch(arm64)
    @inline(__always)
    static func multiplyAddInDouble(_ a: Self, _ b: Self, _ c: Self) -> Self {
      Self(SIMD8<Double>(a) * SIMD8<Double>(b) + SIMD8<Double>(c))
    }
  #endif
}

#if AVX512
  extension SIMD16<Float>: Lanes {
    @inline(__always)
    var rectified: SIMD16<Float> { replacing(with: 0, where: self .< 0) }

    @inline(__always)
    func stream(to target: UnsafeMutablePointer<Float>) { _mm512_stream_ps(target, self) }
  }
#endif

extension UnsafePointer<Float> {
  /// The floats from `offset` on; no alignment is asked for.
  @inline(__always)
  func load<V: Lanes>(_ offset: Int = 0) -> V { UnsafeRawPointer(self + offset).loadUnaligned(as: V.self) }

  @inline(__always)
  func vector(_ offset: Int = 0) -> Vector { load(offset) }
}

extension UnsafeMutablePointer<Float> {
  /// The floats from `offset` on; no alignment is asked for.
  @inline(__always)
  func load<V: Lanes>(_ offset: Int = 0) -> V { UnsafeRawPointer(self + offset).loadUnaligned(as: V.self) }

  @inline(__always)
  func vector(_ offset: Int = 0) -> Vector { load(offset) }

  /// Writes floats from `offset` on; no alignment is asked for.
  @inline(__always)
  func store<V: Lanes>(_ vector: V, _ offset: Int = 0) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: vector, as: V.self)
  }
}

/// `a · b + c` in one rounding. On the plain path of x86-64, where there may be no such instruction, by way of double
/// precision (a fused addition would be a call of the C library a lane): exact but for results so near a tie that rounding
/// twice shows. So all instruction sets agree on everything but products of matrices.
@inline(__always)
func multiplyAdd<V: Lanes>(_ a: V, _ b: V, _ c: V) -> V {
  #if FUSED || arch(arm64)
    c.addingProduct(a, b)
  #else
    V.multiplyAddInDouble(a, b, c)
  #endif
}

/// `a · b + c`, `a` the same in every lane.
@inline(__always)
func multiplyAdd<V: Lanes>(_ a: Float, _ b: V, _ c: V) -> V { multiplyAdd(V(repeating: a), b, c) }

/// The sum of the eight, always in the same order.
@inline(__always)
func sumOfLanes(_ x: Vector) -> Float {
  let four = x.lowHalf + x.highHalf
  let two = four.lowHalf + four.highHalf
  return two[0] + two[1]
}

/// Calls `body` with the offset of each vector of `width` floats: wide ones, and at the end perhaps one of eight.
@inline(__always)
func overVectors(_ width: Int, wide: (_ offset: Int) -> Void, eight: (_ offset: Int) -> Void) {
  var offset = 0
  while offset + Wide.scalarCount <= width {
    wide(offset)
    offset += Wide.scalarCount
  }
  while offset < width {
    eight(offset)
    offset += 8
  }
}
