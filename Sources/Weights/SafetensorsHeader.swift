/// A strict parser for the JSON of a safetensors header. It accepts exactly the form that the format defines.
///
/// The header is untrusted input: there is no recursion that nesting could exhaust, every number is checked for
/// overflow, and memory is bounded by the bytes that are there.
struct SafetensorsHeader {
  private(set) var metadata: [String: String] = [:]
  /// With byte ranges as the header gives them, not validated.
  private(set) var entries: [Entry] = []

  struct Entry {
    let name: String
    let type: String
    let shape: [Int]
    let begin: Int
    let end: Int
  }

  /// The name in place of a tensor's under which a file has its metadata.
  static let metadataKey = "__metadata__"

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  /// - Throws: `Failure`, without the name of the file; positions count from the beginning of the file.
  init(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    self.bytes = bytes
    try parse()
  }

  struct Failure: Error {
    let problem: WeightsError.Problem
  }

  private mutating func parse() throws(Failure) {
    var names = Set<String>()
    try object { (name, header) throws(Failure) in
      guard names.insert(name).inserted else { throw Failure(problem: .duplicateName(name)) }
      if name == Self.metadataKey {
        try header.parseMetadata()
      } else {
        try header.parseEntry(name)
      }
    }
    while position < bytes.count {
      guard bytes[position] == UInt8(ascii: " ") else { throw malformed("text after the end of the header") }
      position += 1
    }
  }

  private mutating func parseMetadata() throws(Failure) {
    try object { (key, header) throws(Failure) in
      let value = try header.string()
      guard header.metadata.updateValue(value, forKey: key) == nil else {
        throw Failure(problem: .duplicateName("\(Self.metadataKey).\(key)"))
      }
    }
  }

  private mutating func parseEntry(_ name: String) throws(Failure) {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try object { (key, header) throws(Failure) in
      switch key {
      case "dtype" where type == nil: type = try header.string()
      case "shape" where shape == nil: shape = try header.integers(atMost: TensorView.maximumRank)
      case "data_offsets" where offsets == nil: offsets = try header.integers(atMost: 2)
      case "dtype", "shape", "data_offsets": throw Failure(problem: .duplicateName("\(name).\(key)"))
      default: throw header.malformed("an unknown field of \(name)")
      }
    }
    guard let type, let shape, let offsets, offsets.count == 2 else {
      throw malformed("\(name) without its type, shape or two offsets")
    }
    entries.append(Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1]))
  }

  // MARK: - Tokens

  private func malformed(_ what: String) -> Failure { Failure(problem: .malformed(what, at: position + 8)) }

  /// The next byte that is not white space, without consuming it.
  private mutating func peek() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      case let byte: return byte
      }
    }
    return nil
  }

  private mutating func consume(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    guard consume(character) else { throw malformed("expected \(character)") }
  }

  private mutating func object(
    _ member: (_ name: String, _ header: inout SafetensorsHeader) throws(Failure) -> Void
  ) throws(Failure) {
    try expect("{")
    if consume("}") { return }
    repeat {
      let name = try string()
      try expect(":")
      try member(name, &self)
    } while consume(",")
    try expect("}")
  }

  private mutating func integers(atMost limit: Int) throws(Failure) -> [Int] {
    var values: [Int] = []
    try expect("[")
    if consume("]") { return values }
    repeat {
      guard values.count < limit else { throw malformed("a list of more than \(limit) numbers") }
      values.append(try integer())
    } while consume(",")
    try expect("]")
    return values
  }

  /// A non-negative integer without leading zeros.
  private mutating func integer() throws(Failure) -> Int {
    guard let first = peek(), Self.isDigit(first) else { throw malformed("expected a number") }
    var value = 0
    let start = position
    while position < bytes.count, Self.isDigit(bytes[position]) {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(bytes[position] - UInt8(ascii: "0")))
      guard !overflow, !carry else { throw malformed("a number too large") }
      value = sum
      position += 1
    }
    guard first != UInt8(ascii: "0") || position == start + 1 else { throw malformed("a number with leading zeros") }
    return value
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private mutating func string() throws(Failure) -> String {
    try expect("\"")
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw malformed("a string that is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw malformed("a control character in a string")
      default: text.append(byte)
      }
    }
    throw malformed("an unterminated string")
  }

  /// The rest of an escape sequence, after the backslash.
  private mutating func escape(into text: inout [UInt8]) throws(Failure) {
    guard position < bytes.count else { throw malformed("an unterminated string") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var code = try codeUnit()
      if (0xD800..<0xDC00).contains(code) {
        guard position + 2 <= bytes.count, bytes[position] == UInt8(ascii: "\\"),
          bytes[position + 1] == UInt8(ascii: "u")
        else { throw malformed("an unpaired surrogate") }
        position += 2
        let low = try codeUnit()
        guard (0xDC00..<0xE000).contains(low) else { throw malformed("an unpaired surrogate") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw malformed("an unpaired surrogate") }
      text.append(contentsOf: String(scalar).utf8)
    default: throw malformed("an unknown escape sequence")
    }
  }

  /// Four hexadecimal digits.
  private mutating func codeUnit() throws(Failure) -> UInt32 {
    guard position + 4 <= bytes.count else { throw malformed("an unterminated string") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue, bytes[position] < 0x80 else {
        throw malformed("an unknown escape sequence")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
