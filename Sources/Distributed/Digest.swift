/// A 64-bit fingerprint of float arrays, of their bits and their order.
///
/// Eight lanes take eight bytes each in turn by steps that lose nothing, so that a difference in a single word always
/// changes the result, and others go unnoticed once in 2⁶⁴. Eight lanes at once keep up with memory.
package struct Digest: Equatable {
  private var state: UInt64 = 0x6773_636E_6E20_3032

  package init() {}

  /// The fingerprint of what was added so far.
  package var value: UInt64 { state }

  /// Adds an array: `count` floats, and how many they are.
  package mutating func add(_ floats: UnsafePointer<Float>, count: Int) {
    let bytes = UnsafeRawPointer(floats)
    let blocks = count / 16
    var lanes = (
      Self.seed(1), Self.seed(2), Self.seed(3), Self.seed(4), Self.seed(5), Self.seed(6), Self.seed(7), Self.seed(8)
    )
    for block in 0..<blocks {
      let words = bytes + block * 64
      Self.take(words.loadUnaligned(fromByteOffset: 0, as: UInt64.self), into: &lanes.0)
      Self.take(words.loadUnaligned(fromByteOffset: 8, as: UInt64.self), into: &lanes.1)
      Self.take(words.loadUnaligned(fromByteOffset: 16, as: UInt64.self), into: &lanes.2)
      Self.take(words.loadUnaligned(fromByteOffset: 24, as: UInt64.self), into: &lanes.3)
      Self.take(words.loadUnaligned(fromByteOffset: 32, as: UInt64.self), into: &lanes.4)
      Self.take(words.loadUnaligned(fromByteOffset: 40, as: UInt64.self), into: &lanes.5)
      Self.take(words.loadUnaligned(fromByteOffset: 48, as: UInt64.self), into: &lanes.6)
      Self.take(words.loadUnaligned(fromByteOffset: 56, as: UInt64.self), into: &lanes.7)
    }
    for index in blocks * 16..<count { Self.take(UInt64(floats[index].bitPattern), into: &lanes.0) }
    add(UInt64(count))
    for lane in [lanes.0, lanes.1, lanes.2, lanes.3, lanes.4, lanes.5, lanes.6, lanes.7] { add(lane) }
  }

  /// Adds a word, such as a step or a seed.
  package mutating func add(_ word: UInt64) {
    Self.take(word, into: &state)
    Self.take(word >> 32, into: &state)
  }

  /// Exclusive or, an odd factor and a shift are each one to one, in the state and in the word.
  @inline(__always)
  private static func take(_ word: UInt64, into state: inout UInt64) {
    state = (state ^ word) &* 0x9E37_79B9_7F4A_7C15
    state ^= state >> 32
  }

  private static func seed(_ lane: UInt64) -> UInt64 { lane &* 0xD6E8_FEB8_6659_FD93 }
}
