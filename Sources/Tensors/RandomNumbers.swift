import Glibc

/// Counter-based random numbers: a function of what they are for, with no generator state to save or share.
///
/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) in counter mode: number `i` of a stream is the finalizer applied to
/// the stream's key plus `i + 1` times the golden-ratio increment. Streams are independent of each other.
package struct RandomNumbers: Sendable {
  @usableFromInline let key: UInt64
  private var counter: UInt64 = 0

  /// The stream whose key is derived from these words, for example (seed, purpose, epoch, sample).
  package init(_ words: UInt64...) {
    key = words.reduce(0x6773_636E_6E20_3031) { Self.mixed($0 ^ Self.mixed($1 &+ Self.goldenRatio)) }
  }

  /// The stream whose key is the FNV-1a hash of a name.
  package init(named name: String) { key = Self.hash(name) }

  /// The next 64 random bits.
  package mutating func next() -> UInt64 {
    counter &+= 1
    return Self.mixed(key &+ counter &* Self.goldenRatio)
  }

  /// The random bits of number `index` of the stream, counted from 0, whatever `next()` has returned.
  @inlinable @inline(__always)
  package func bits(at index: Int) -> UInt64 {
    Self.mixed(key &+ (UInt64(truncatingIfNeeded: index) &+ 1) &* Self.goldenRatio)
  }

  /// A uniform number in [0, 1), with 24 random bits.
  package mutating func uniform() -> Float { Float(next() >> 40) / 16_777_216 }

  /// A uniform number in `range`, with 24 random bits.
  package mutating func uniform(in range: Range<Double>) -> Double {
    range.lowerBound + (range.upperBound - range.lowerBound) * (Double(next() >> 40) / 16_777_216)
  }

  /// A uniform integer in 0 ..< `bound`, with a bias of at most 2⁻⁶⁴ · `bound`.
  package mutating func uniform(below bound: Int) -> Int {
    precondition(bound > 0)
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// The numbers 0 ..< `count` in random order, each order equally likely (Fisher–Yates shuffle).
  package mutating func permutation(of count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, uniform(below: last + 1)) }
    return order
  }

  /// A standard normal number (Box–Muller transform).
  package mutating func normal() -> Float {
    let radius = (-2 * log(1 - Double(next() >> 11) / 9_007_199_254_740_992)).squareRoot()
    return Float(radius * cos(2 * Double.pi * Double(next() >> 11) / 9_007_199_254_740_992))
  }

  /// The 64-bit FNV-1a hash of the UTF-8 bytes of a name. Part of the definition of the streams: another hash would
  /// change the initial weights of every seed.
  package static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  @usableFromInline static var goldenRatio: UInt64 { @inline(__always) @inlinable get { 0x9E37_79B9_7F4A_7C15 } }

  /// SplitMix64's finalizer.
  @inlinable @inline(__always)
  static func mixed(_ word: UInt64) -> UInt64 {
    var z = word
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
