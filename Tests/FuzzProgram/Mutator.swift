import Tensors

/// Makes inputs from seeds: input `number` is a function of the target, the seed of the run and the number.
struct Mutator {
  let seeds: [[UInt8]]
  /// Words of the format, which replace parts of the input.
  let words: [[UInt8]]
  /// Makes checksums right again, so that mutations get past them; applied to half of the inputs.
  let repair: (([UInt8]) -> [UInt8])?
  private let key: UInt64
  private let target: UInt64

  init(_ target: Target, seed: UInt64) {
    seeds = target.seeds
    words = (target.words + Self.words).map { Array($0.utf8) }
    repair = target.repair
    key = seed
    self.target = RandomNumbers.hash(target.name)
  }

  /// No input is longer, so that none takes long because of its length alone.
  private static let mostBytes = 1 << 17

  /// Words that are special in any text.
  private static let words = [
    "-1", "0", "1", "00", "1e999", "-1e999", "nan", "inf", "1.5", "65535", "65536", "2147483647", "2147483648",
    "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615",
    "99999999999999999999999", "null", "true", "\"\"", "\u{0}", "\n", "\r\n", "\t", " ", "..", "/", "\\", "\\u0000",
    "\\ud800", "\u{FEFF}", "é", "\u{1F600}", "{", "}", "[", "]", ",", ":", "\"", "{}", "[]", "=", "-", "--", "%s%n",
  ]

  func input(_ number: Int) -> [UInt8] {
    var random = RandomNumbers(key, target, UInt64(number))
    var bytes = seeds[random.uniform(below: seeds.count)]
    for _ in 0..<1 << random.uniform(below: 3) { mutate(&bytes, &random) }
    if bytes.count > Self.mostBytes { bytes.removeLast(bytes.count - Self.mostBytes) }
    if let repair, random.uniform(below: 2) == 0 { bytes = repair(bytes) }
    return bytes
  }

  private func mutate(_ bytes: inout [UInt8], _ random: inout RandomNumbers) {
    func place(_ extra: Int = 1) -> Int { random.uniform(below: max(1, bytes.count + extra)) }
    func range(upTo most: Int) -> Range<Int> {
      let start = place()
      return start..<min(bytes.count, start + 1 + random.uniform(below: most))
    }
    switch random.uniform(below: 12) {
    case 0, 1:
      guard !bytes.isEmpty else { return }
      bytes[place(0)] ^= 1 << UInt8(random.uniform(below: 8))
    case 2:
      guard !bytes.isEmpty else { return }
      bytes[place(0)] = [0, 1, 0x0A, 0x20, 0x30, 0x7F, 0x80, 0xFE, 0xFF][random.uniform(below: 9)]
    case 3: bytes.removeSubrange(range(upTo: 16))
    case 4: bytes.removeSubrange(place()...)
    case 5:
      let part = Array(bytes[range(upTo: 64)])
      bytes.insert(contentsOf: part, at: place())
    case 6:
      // A run of the same word: deep nesting, long numbers, many fields.
      let word = words[random.uniform(below: words.count)]
      let count = 1 << random.uniform(below: random.uniform(below: 8) == 0 ? 15 : 5)
      bytes.insert(contentsOf: repeatElement(word, count: count).joined(), at: place())
    case 7:
      // A number of 1, 2, 4 or 8 bytes, in either byte order.
      let width = 1 << random.uniform(below: 4)
      guard bytes.count >= width else { return }
      let limits: [UInt64] = [0, 1, .max, .max >> 1, 1 << 63, 1 << 31, 1 << 32, 1 << 16, 255, UInt64(bytes.count)]
      let value = limits[random.uniform(below: limits.count)] &+ UInt64(random.uniform(below: 3)) &- 1
      let start = random.uniform(below: bytes.count - width + 1)
      let isBig = random.uniform(below: 2) == 0
      for byte in 0..<width {
        bytes[start + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (isBig ? width - 1 - byte : byte)))
      }
    case 8, 9:
      // A word in place of a number or a word of the text.
      let isText = { (byte: UInt8) in byte >= 0x2D && byte < 0x3A || byte >= 0x41 && byte < 0x7B }
      let start = place()
      guard let first = bytes[start...].firstIndex(where: isText) else { return }
      let end = bytes[first...].firstIndex { !isText($0) } ?? bytes.count
      bytes.replaceSubrange(first..<min(end, first + 64), with: words[random.uniform(below: words.count)])
    case 10: bytes.insert(contentsOf: words[random.uniform(below: words.count)], at: place())
    default:
      let other = seeds[random.uniform(below: seeds.count)]
      let cut = random.uniform(below: other.count + 1)
      bytes.replaceSubrange(place()..., with: other[cut...])
    }
  }
}
