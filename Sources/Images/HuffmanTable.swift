/// A prefix code of RFC 1951 as a table: what the next bits of the stream begin with is looked up.
///
/// Literals with short codes that may follow each other are one entry: photographs after PNG's prediction are mostly
/// those, and finding one after the other is what decoding them takes.
struct HuffmanTable {
  /// What some bits of the stream mean.
  ///
  /// | bits | literals | length or distance | longer code | end of the block, no code |
  /// | --- | --- | --- | --- | --- |
  /// | 0…5 | bits to take | with the extra bits | those of the first table | bits to take |
  /// | 6 | 1 | 0 | 0 | 0 |
  /// | 7 | 0 | 0 | 1 | 1 |
  /// | 8…12 | how many, 1 or 2 | bits before the extra bits | 0 | 1, 2 |
  /// | 16…31 | the bytes | value without extra bits | where the second table begins | |
  typealias Entry = UInt32

  static let literal: Entry = 1 << 6
  static let exceptional: Entry = 1 << 7
  static let endOfBlock: Entry = exceptional | 1 << 8
  static let nothing: Entry = exceptional | 2 << 8

  @inline(__always) static func count(_ entry: Entry) -> Int { Int(truncatingIfNeeded: (entry &>> 8) & 31) }
  @inline(__always) static func isEndOfBlock(_ entry: Entry) -> Bool { count(entry) == 1 }
  @inline(__always) static func payload(_ entry: Entry) -> Int { Int(truncatingIfNeeded: entry &>> 16) }

  static let longestCode = 15

  /// Bits that the first table is looked up with; the second ones are looked up with the rest of the longest code's.
  let bits: Int
  let entries: UnsafeMutablePointer<Entry>
  private let sorted: UnsafeMutablePointer<UInt16>

  /// - Parameters:
  ///   - bits: fewer than 15.
  ///   - symbols: the most that a code has.
  init(bits: Int, symbols: Int) {
    self.bits = bits
    // Behind each entry of the first table that leads to a second one are two symbols or more.
    entries = .allocate(capacity: 1 << bits + (symbols / 2) << (Self.longestCode - bits))
    sorted = .allocate(capacity: symbols)
  }

  func deallocate() {
    entries.deallocate()
    sorted.deallocate()
  }

  /// Makes the table of a code.
  ///
  /// - Parameters:
  ///   - lengths: bits of each symbol's code; 0: it does not occur.
  ///   - meanings: the entry of each symbol; bits 0…5 hold its extra bits.
  ///   - mayBeIncomplete: whether a code of one symbol, or of none, is allowed, as for distances.
  /// - Returns: whether it is a code.
  func build(
    lengths: UnsafePointer<UInt8>, count: Int, meanings: UnsafePointer<Entry>, mayBeIncomplete: Bool = false
  ) -> Bool {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 2 * (Self.longestCode + 1)) { memory in
      memory.initialize(repeating: 0)
      guard let ofLength = memory.baseAddress else { return false }
      let next = ofLength + Self.longestCode + 1
      for symbol in 0..<count { ofLength[Int(lengths[symbol])] &+= 1 }
      var (room, place) = (1, 0)  // codes of this length that are left; symbols with shorter ones
      for length in 1...Self.longestCode {
        room = 2 * room - ofLength[length]
        if room < 0 { return false }
        next[length] = place
        place += ofLength[length]
      }
      if room > 0 {
        guard mayBeIncomplete, place == 0 || place == 1 && ofLength[1] == 1 else { return false }
        entries.update(repeating: Self.nothing, count: 1 << bits)
      }
      for symbol in 0..<count where lengths[symbol] != 0 {
        let length = Int(lengths[symbol])
        sorted[next[length]] = UInt16(truncatingIfNeeded: symbol)
        next[length] &+= 1
      }
      fill(lengths, used: place, meanings)
      return true
    }
  }

  /// In the order of their lengths codes are numbers that ascend; the stream holds the first bit of a code first.
  private func fill(_ lengths: UnsafePointer<UInt8>, used: Int, _ meanings: UnsafePointer<Entry>) {
    let size = 1 << bits
    let secondBits = Self.longestCode - bits
    var (code, length) = (0 as UInt16, 0)
    var (prefix, second) = (-1, size - 1 << secondBits)
    for place in 0..<used {
      let symbol = Int(sorted[place])
      let own = Int(lengths[symbol])
      code &<<= UInt16(truncatingIfNeeded: own &- length)
      length = own
      let reversed = Int(Self.reversed(code) &>> UInt16(truncatingIfNeeded: 16 &- own))
      code &+= 1
      if own <= bits {
        let entry = Self.entry(meanings[symbol], codeBits: own)
        var at = reversed
        while at < size {
          entries[at] = entry
          at &+= 1 &<< own
        }
        continue
      }
      if reversed & (size - 1) != prefix {
        prefix = reversed & (size - 1)
        second += 1 << secondBits
        entries[prefix] =
          Self.exceptional | Entry(truncatingIfNeeded: bits) | Entry(truncatingIfNeeded: second) &<< 16
      }
      let entry = Self.entry(meanings[symbol], codeBits: own &- bits)
      var at = reversed &>> bits
      while at < 1 << secondBits {
        entries[second &+ at] = entry
        at &+= 1 &<< (own &- bits)
      }
    }
  }

  @inline(__always)
  private static func entry(_ meaning: Entry, codeBits: Int) -> Entry {
    let bits = Entry(truncatingIfNeeded: codeBits)
    return meaning & (literal | exceptional) == 0 ? meaning &+ bits | bits &<< 8 : meaning &+ bits
  }

  /// Joins literals where both codes fit into the bits of the first table.
  func joinLiterals() {
    // What follows a literal stands at a smaller place, so from the top down it is still a single one.
    for at in stride(from: 1 << bits - 1, through: 0, by: -1) {
      let first = entries[at]
      let taken = Int(truncatingIfNeeded: first & 63)
      guard first & Self.literal != 0, taken < bits else { continue }
      let second = entries[at &>> taken]
      let both = taken &+ Int(truncatingIfNeeded: second & 63)
      guard second & Self.literal != 0, both <= bits else { continue }
      entries[at] =
        Self.literal | Entry(truncatingIfNeeded: both) | 2 &<< 8 | first & 0xff_0000 | (second & 0xff_0000) &<< 8
    }
  }

  private static func reversed(_ code: UInt16) -> UInt16 {
    var code = code
    code = (code & 0x5555) &<< 1 | (code &>> 1) & 0x5555
    code = (code & 0x3333) &<< 2 | (code &>> 2) & 0x3333
    code = (code & 0x0f0f) &<< 4 | (code &>> 4) & 0x0f0f
    return code.byteSwapped
  }
}
