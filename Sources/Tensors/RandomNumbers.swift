import Glibc

/// Random numbers as a function of what they are for: no state to keep, save or share.
///
/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) run as a counter: number `i` of a stream is the finaliser applied
/// to the stream's key plus `i + 1` golden-ratio steps, so that any number of any stream can be had at once.
package struct RandomNumbers: Sendable {
  private let key: UInt64
  private var counter: UInt64 = 0

  /// The stream of exactly these words, for example (seed, purpose, epoch, sample).
  package init(_ words: UInt64...) {
    key = words.reduce(0x6773_636E_6E20_3031) { Self.mixed($0 ^ Self.mixed($1 &+ Self.goldenRatio)) }
  }

  /// The stream that belongs to a name: its FNV-1a hash is the key.
  package init(named name: String) { key = Self.hash(name) }

  /// The next 64 random bits.
  package mutating func next() -> UInt64 {
    counter &+= 1
    return Self.mixed(key &+ counter &* Self.goldenRatio)
  }

  /// The next number in [0, 1), with 24 random bits.
  package mutating func uniform() -> Float { Float(next() >> 40) / 16_777_216 }

  /// The next number in [−1, 1), with 24 random bits.
  package mutating func uniformSymmetric() -> Double { Double(next() >> 40) / 8_388_608 - 1 }

  /// The next integer in 0 ..< `bound`, each equally likely up to 2⁻⁶⁴ · `bound`.
  package mutating func uniform(below bound: Int) -> Int {
    precondition(bound > 0)
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// The next number of the standard normal distribution (Box and Muller).
  package mutating func normal() -> Float {
    let radius = (-2 * log(1 - Double(next() >> 11) / 9_007_199_254_740_992)).squareRoot()
    return Float(radius * cos(2 * Double.pi * Double(next() >> 11) / 9_007_199_254_740_992))
  }

  /// FNV-1a over the UTF-8 bytes of a name.
  package static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  private static let goldenRatio: UInt64 = 0x9E37_79B9_7F4A_7C15

  private static func mixed(_ word: UInt64) -> UInt64 {
    var z = word
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
