import System

/// A message in the wire format of Protocol Buffers: fields one after another, each a tag and a value.
///
/// The length of a nested message stands before it. Small fields are encoded at once; large payloads are kept as closures
/// that produce their bytes when the message is written, so that it need not fit into memory.
///
/// Source: https://protobuf.dev/programming-guides/encoding/
package struct ProtobufMessage {
  /// Writes all bytes of a payload.
  package typealias Fill = (UnsafeMutableRawBufferPointer) throws -> Void

  private enum Piece {
    case bytes([UInt8])
    case payload(count: Int, Fill)
  }

  private enum WireType: Int {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
  }

  private var pieces: [Piece] = []
  /// Encoded bytes.
  package private(set) var count = 0

  package init() {}

  /// A field of type `int64`, `int32` or an enumeration.
  package mutating func add(_ field: Int, _ value: Int) {
    append(Self.tag(field, .varint) + Self.varint(UInt64(bitPattern: Int64(value))))
  }

  /// A repeated field of integers, each with its tag, as version 2 of the language encodes it.
  package mutating func add(_ field: Int, _ values: [Int]) {
    for value in values { add(field, value) }
  }

  package mutating func add(_ field: Int, _ text: String) {
    append(Self.prefix(field, count: text.utf8.count) + Array(text.utf8))
  }

  package mutating func add(_ field: Int, _ texts: [String]) {
    for text in texts { add(field, text) }
  }

  /// A field of type `double`.
  package mutating func add(_ field: Int, double value: Double) {
    append(Self.tag(field, .fixed64) + Self.littleEndian(value.bitPattern))
  }

  /// A field of type `float`.
  package mutating func add(_ field: Int, float value: Float) {
    append(Self.tag(field, .fixed32) + Self.littleEndian(value.bitPattern))
  }

  /// A field of type `bytes`.
  package mutating func add(_ field: Int, bytes: [UInt8]) {
    append(Self.prefix(field, count: bytes.count) + bytes)
  }

  /// A nested message.
  package mutating func add(_ field: Int, _ message: ProtobufMessage) {
    append(Self.prefix(field, count: message.count))
    for piece in message.pieces { append(piece) }
  }

  /// A field of type `bytes`, produced when the message is written.
  package mutating func add(_ field: Int, payload count: Int, _ fill: @escaping Fill) {
    append(Self.prefix(field, count: count))
    append(.payload(count: count, fill))
  }

  /// Writes the message; uses memory for its largest payload.
  package func write(to file: OutputFile) throws {
    let largest = pieces.lazy.map { if case .payload(let count, _) = $0 { count } else { 0 } }.max() ?? 0
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: largest, alignment: 64)
    defer { scratch.deallocate() }
    for piece in pieces {
      switch piece {
      case .bytes(let bytes): try file.write(bytes)
      case .payload(let count, let fill):
        let bytes = UnsafeMutableRawBufferPointer(rebasing: scratch[..<count])
        try fill(bytes)
        try file.write(UnsafeRawBufferPointer(bytes))
      }
    }
  }

  /// The bytes of a message without payloads that are produced when it is written.
  package var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    for piece in pieces {
      guard case .bytes(let some) = piece else { preconditionFailure("a message with payloads is written to a file") }
      bytes += some
    }
    return bytes
  }

  private mutating func append(_ bytes: [UInt8]) { append(.bytes(bytes)) }

  private mutating func append(_ piece: Piece) {
    switch piece {
    case .bytes(let bytes): count += bytes.count
    case .payload(let bytes, _): count += bytes
    }
    pieces.append(piece)
  }

  private static func prefix(_ field: Int, count: Int) -> [UInt8] {
    tag(field, .lengthDelimited) + varint(UInt64(count))
  }

  private static func tag(_ field: Int, _ type: WireType) -> [UInt8] { varint(UInt64(field << 3 | type.rawValue)) }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// Seven bits a byte, the lowest first; all bytes but the last have the high bit.
  private static func varint(_ value: UInt64) -> [UInt8] {
    var (bytes, rest) = ([UInt8](), value)
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}
