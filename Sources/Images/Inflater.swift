/// Unpacks zlib streams (RFC 1950, RFC 1951) that lie in memory, as far as is wanted.
///
/// Checksums are not looked at: in a PNG file those of the chunks cover every byte. Whatever is in the stream, nothing
/// beyond the memory that was lent is touched.
final class Inflater {
  /// Bytes that may be read beyond the end of the stream.
  static let inputSlack = 32
  /// Bytes that may be written beyond the place where unpacking was to end.
  static let outputSlack = 258 + 48
  /// How far back a stream may refer to what was unpacked.
  static let window = 32768

  private static let literalBits = 11
  private static let distanceBits = 9

  private enum Stage {
    case header, stored(left: Int), compressed, finished, failed
  }

  private let literals = HuffmanTable(bits: literalBits, symbols: 288)
  private let distances = HuffmanTable(bits: distanceBits, symbols: 32)
  private let codeLengths = HuffmanTable(bits: 7, symbols: 19)
  /// Lengths of the codes of literals, then of distances.
  private let lengths = UnsafeMutablePointer<UInt8>.allocate(capacity: 288 + 32 + 16)

  private var input: UnsafePointer<UInt8>
  private var end: UnsafePointer<UInt8>
  private var bits: UInt64 = 0
  private var count = 0  // of valid bits
  private var stage = Stage.failed
  private var isLastBlock = false

  init() {
    input = UnsafePointer(lengths)
    end = input
  }

  deinit {
    literals.deallocate()
    distances.deallocate()
    codeLengths.deallocate()
    lengths.deallocate()
  }

  /// Begins with a stream.
  ///
  /// - Parameter input: stays and holds `inputSlack` bytes more until the last `unpack`.
  func begin(_ input: UnsafePointer<UInt8>, count: Int) {
    self.input = input + 2
    end = input + count
    (bits, self.count, isLastBlock) = (0, 0, false)
    // Deflate, without a dictionary agreed on beforehand.
    let isZlib =
      count > 2 && input[0] & 0x0f == 8 && input[0] >> 4 <= 7 && input[1] & 0x20 == 0
      && (Int(input[0]) << 8 | Int(input[1])) % 31 == 0
    stage = isZlib ? .header : .failed
  }

  /// Bytes of the stream that what was unpacked so far came from, at most.
  func consumed(since start: UnsafePointer<UInt8>) -> Int { min(input, end) - start }

  /// Unpacks until `goal` is reached or passed, by less than `outputSlack` bytes.
  ///
  /// - Parameters:
  ///   - start: the first byte in `output`'s memory that was unpacked from this stream; all of them, or `window` of them.
  ///   - output: where the next one goes.
  /// - Returns: the place after the last one; nil where the stream is damaged or at its end.
  func unpack(
    after start: UnsafeMutablePointer<UInt8>, to output: UnsafeMutablePointer<UInt8>,
    goal: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8>? {
    var output = output
    while output < goal {
      switch stage {
      case .header: beginBlock()
      case .stored(let left): output = copyStored(left, to: output, goal: goal)
      case .compressed:
        guard let next = unpackBlock(start, output, goal) else {
          stage = .failed
          return nil
        }
        output = next
      case .finished, .failed: return nil
      }
    }
    return output
  }

  // MARK: - Bits

  /// Makes 56 bits or more valid; beyond the end of the stream they are anything.
  @inline(__always)
  private static func refill(_ bits: inout UInt64, _ count: inout Int, _ input: inout UnsafePointer<UInt8>) {
    let word = UnsafeRawPointer(input).loadUnaligned(as: UInt64.self)
    bits |= UInt64(littleEndian: word) &<< UInt64(truncatingIfNeeded: count)
    input += (63 &- count) &>> 3
    count |= 56
  }

  /// Whether bits beyond the end of the stream were taken.
  private var isBeyondEnd: Bool { input - count / 8 > end }

  /// Makes `wanted` bits valid, at most 56.
  private func need(_ wanted: Int) {
    guard count < wanted else { return }
    // Behind the slack nothing may be read; that bits of a stream cut short are wrong is found by `isBeyondEnd`.
    if input > end + 8 { input = end + 8 }
    Self.refill(&bits, &count, &input)
  }

  private func take(_ wanted: Int) -> Int {
    need(wanted)
    let value = Int(bits & (1 << UInt64(wanted) - 1))
    bits >>= UInt64(wanted)
    count -= wanted
    return value
  }

  // MARK: - Blocks

  private func beginBlock() {
    guard !isLastBlock else {
      stage = .finished
      return
    }
    isLastBlock = take(1) == 1
    let isWhole: Bool
    switch take(2) {
    case 0: isWhole = beginStored()
    case 1:
      // The codes that need not be told (RFC 1951, 3.2.6).
      for (symbols, length) in [(0..<144, 8), (144..<256, 9), (256..<280, 7), (280..<288, 8), (288..<320, 5)] {
        (lengths + symbols.lowerBound).update(repeating: UInt8(length), count: symbols.count)
      }
      isWhole = buildTables(literals: 288, distances: 32)
    case 2: isWhole = readCodes()
    default: isWhole = false
    }
    if !isWhole || isBeyondEnd { stage = .failed }
  }

  private func beginStored() -> Bool {
    _ = take(count % 8)
    let length = take(16)
    guard take(16) == ~length & 0xffff else { return false }
    // What was read ahead is read again.
    input -= count / 8
    (bits, count) = (0, 0)
    stage = .stored(left: length)
    return true
  }

  private func copyStored(
    _ left: Int, to output: UnsafeMutablePointer<UInt8>, goal: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8> {
    let part = min(left, goal - output)
    guard part <= end - input else {
      stage = .failed
      return output
    }
    output.update(from: input, count: part)
    input += part
    stage = part == left ? .header : .stored(left: left - part)
    return output + part
  }

  /// The codes of a block, themselves in a code (RFC 1951, 3.2.7).
  private func readCodes() -> Bool {
    let (literalCount, distanceCount, lengthCount) = (257 + take(5), 1 + take(5), 4 + take(4))
    guard literalCount <= 286, distanceCount <= 30 else { return false }
    lengths.update(repeating: 0, count: 19)
    for place in 0..<lengthCount { lengths[Self.orderOfCodeLengths[place]] = UInt8(take(3)) }
    guard
      Self.plainMeanings.withUnsafeBufferPointer({ meanings in
        meanings.baseAddress.map { codeLengths.build(lengths: lengths, count: 19, meanings: $0) } ?? false
      })
    else { return false }
    var place = 0
    while place < literalCount + distanceCount {
      if isBeyondEnd { return false }
      need(7)
      let entry = codeLengths.entries[Int(bits & 127)]
      _ = take(Int(entry & 63))
      let symbol = HuffmanTable.payload(entry)
      guard symbol >= 16 else {
        lengths[place] = UInt8(symbol)
        place += 1
        continue
      }
      let (value, times): (UInt8, Int)
      switch symbol {
      case 16:
        guard place > 0 else { return false }
        (value, times) = (lengths[place - 1], 3 + take(2))
      case 17: (value, times) = (0, 3 + take(3))
      default: (value, times) = (0, 11 + take(7))
      }
      guard place + times <= literalCount + distanceCount else { return false }
      (lengths + place).update(repeating: value, count: times)
      place += times
    }
    return buildTables(literals: literalCount, distances: distanceCount)
  }

  private func buildTables(literals literalCount: Int, distances distanceCount: Int) -> Bool {
    let areCodes =
      Self.literalMeanings.withUnsafeBufferPointer { meanings in
        meanings.baseAddress.map { literals.build(lengths: lengths, count: literalCount, meanings: $0) } ?? false
      }
      && Self.distanceMeanings.withUnsafeBufferPointer { meanings in
        meanings.baseAddress.map {
          distances.build(lengths: lengths + literalCount, count: distanceCount, meanings: $0, mayBeIncomplete: true)
        } ?? false
      }
    if areCodes {
      literals.joinLiterals()
      stage = .compressed
    }
    return areCodes
  }

  /// Unpacks what is packed in the two codes of a block.
  ///
  /// - Returns: the place after the last byte; nil where the stream is damaged.
  private func unpackBlock(
    _ start: UnsafeMutablePointer<UInt8>, _ output: UnsafeMutablePointer<UInt8>, _ goal: UnsafeMutablePointer<UInt8>
  ) -> UnsafeMutablePointer<UInt8>? {
    var (output, input, bits, count) = (output, input, bits, count)
    let (literals, distances) = (literals.entries, distances.entries)
    let lastInput = end + 8
    let literalMask = 1 &<< UInt64(Self.literalBits) &- 1 as UInt64
    let distanceMask = 1 &<< UInt64(Self.distanceBits) &- 1 as UInt64

    @inline(__always) func take(_ entry: HuffmanTable.Entry) {
      bits &>>= UInt64(truncatingIfNeeded: entry)  // the lowest 6 bits count
      count &-= Int(truncatingIfNeeded: entry & 63)
    }
    @inline(__always) func put(_ entry: HuffmanTable.Entry) {
      UnsafeMutableRawPointer(output).storeBytes(
        of: UInt16(truncatingIfNeeded: entry &>> 16).littleEndian, as: UInt16.self)
      output += HuffmanTable.count(entry)
      take(entry)
    }

    while output < goal, input <= lastInput {
      Self.refill(&bits, &count, &input)
      var entry = literals[Int(truncatingIfNeeded: bits & literalMask)]
      if entry & HuffmanTable.literal != 0 {
        // Four lookups take 44 bits at most.
        put(entry)
        entry = literals[Int(truncatingIfNeeded: bits & literalMask)]
        if entry & HuffmanTable.literal != 0 {
          put(entry)
          entry = literals[Int(truncatingIfNeeded: bits & literalMask)]
          if entry & HuffmanTable.literal != 0 {
            put(entry)
            entry = literals[Int(truncatingIfNeeded: bits & literalMask)]
            if entry & HuffmanTable.literal != 0 {
              put(entry)
              continue
            }
          }
        }
        Self.refill(&bits, &count, &input)
      }
      if entry & HuffmanTable.exceptional != 0 {
        take(entry)
        if HuffmanTable.count(entry) != 0 {
          guard HuffmanTable.isEndOfBlock(entry) else { return nil }
          stage = .header
          break
        }
        let rest = bits & (1 &<< UInt64(HuffmanTable.longestCode - Self.literalBits) &- 1)
        entry = literals[HuffmanTable.payload(entry) &+ Int(truncatingIfNeeded: rest)]
        if entry & HuffmanTable.literal != 0 {
          put(entry)
          continue
        }
        if entry & HuffmanTable.exceptional != 0 {
          guard HuffmanTable.isEndOfBlock(entry) else { return nil }
          take(entry)
          stage = .header
          break
        }
      }
      // A length and a distance take 48 bits at most.
      let length = Self.value(entry, bits)
      take(entry)
      entry = distances[Int(truncatingIfNeeded: bits & distanceMask)]
      if entry & HuffmanTable.exceptional != 0 {
        guard HuffmanTable.count(entry) == 0 else { return nil }
        take(entry)
        let rest = bits & (1 &<< UInt64(HuffmanTable.longestCode - Self.distanceBits) &- 1)
        entry = distances[HuffmanTable.payload(entry) &+ Int(truncatingIfNeeded: rest)]
        guard entry & HuffmanTable.exceptional == 0 else { return nil }
      }
      let distance = Self.value(entry, bits)
      take(entry)
      guard distance <= output - start else { return nil }
      Self.repeatBytes(from: distance, before: output, count: length)
      output += length
    }
    (self.input, self.bits, self.count) = (input, bits, count)
    return isBeyondEnd ? nil : output
  }

  /// A length or a distance: its base and the extra bits behind its code.
  @inline(__always)
  private static func value(_ entry: HuffmanTable.Entry, _ bits: UInt64) -> Int {
    let all = bits & (1 &<< UInt64(truncatingIfNeeded: entry) &- 1)
    return HuffmanTable.payload(entry)
      &+ Int(truncatingIfNeeded: all &>> UInt64(truncatingIfNeeded: HuffmanTable.count(entry)))
  }

  /// Goes on at `target` with what stands `distance` before it, for `count` bytes and up to 31 more.
  @inline(__always)
  private static func repeatBytes(from distance: Int, before target: UnsafeMutablePointer<UInt8>, count: Int) {
    var to = UnsafeMutableRawPointer(target)
    var from = UnsafeRawPointer(target - distance)
    let end = UnsafeRawPointer(target + count)
    if distance >= 32 {
      repeat {
        to.storeBytes(of: from.loadUnaligned(as: SIMD32<UInt8>.self), as: SIMD32<UInt8>.self)
        to += 32
        from += 32
      } while to < end
    } else if distance == 1 {
      let byte = SIMD32<UInt8>(repeating: target[-1])
      repeat {
        to.storeBytes(of: byte, as: SIMD32<UInt8>.self)
        to += 32
      } while to < end
    } else {
      // A pattern shorter than a word doubles until it is as long.
      var length = distance
      while length < 8 {
        to.storeBytes(of: from.loadUnaligned(as: UInt64.self), as: UInt64.self)
        to += length
        length *= 2
      }
      while to < end {
        to.storeBytes(of: from.loadUnaligned(as: UInt64.self), as: UInt64.self)
        to += 8
        from += 8
      }
    }
  }

  // MARK: - What symbols mean (RFC 1951, 3.2.5)

  private static let orderOfCodeLengths = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

  private static let plainMeanings = (0..<19).map { HuffmanTable.Entry($0) << 16 }

  private static let literalMeanings: [HuffmanTable.Entry] = {
    let bytes = (0..<256).map { HuffmanTable.literal | 1 << 8 | HuffmanTable.Entry($0) << 16 }
    var meanings = bytes + [HuffmanTable.endOfBlock] + ranges(from: 3, extraBits: (0..<28).map { max(0, $0 / 4 - 1) })
    // The longest length has a symbol of its own. The last two are none, and no stream that is whole holds them.
    meanings += [258 << 16, HuffmanTable.nothing, HuffmanTable.nothing]
    return meanings
  }()

  private static let distanceMeanings: [HuffmanTable.Entry] =
    ranges(from: 1, extraBits: (0..<30).map { max(0, $0 / 2 - 1) }) + [HuffmanTable.nothing, HuffmanTable.nothing]

  /// Entries of symbols that stand for so many values each, one after the other.
  private static func ranges(from first: Int, extraBits: [Int]) -> [HuffmanTable.Entry] {
    var first = first
    return extraBits.map { bits in
      defer { first += 1 << bits }
      return HuffmanTable.Entry(first) << 16 | HuffmanTable.Entry(bits)
    }
  }
}
