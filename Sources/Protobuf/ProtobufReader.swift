/// The fields of a message in the wire format of Protocol Buffers, one after another, without a copy.
///
/// Source: https://protobuf.dev/programming-guides/encoding/
package struct ProtobufReader: Sequence, IteratorProtocol {
  package enum Value {
    /// An integer, a Boolean or an enumeration.
    case varint(UInt64)
    /// The bits of a number of 8 bytes.
    case fixed64(UInt64)
    /// Text, bytes, packed numbers or a nested message.
    case bytes(UnsafeRawBufferPointer)
    /// The bits of a number of 4 bytes.
    case fixed32(UInt32)
  }

  private let message: UnsafeRawBufferPointer
  private var position = 0

  /// - Parameter message: must outlive the reader and its values.
  package init(_ message: UnsafeRawBufferPointer) { self.message = message }

  /// The next field; nil at the end, and where the message is malformed.
  package mutating func next() -> (field: Int, value: Value)? {
    guard let tag = varint(), let value = value(of: tag & 7) else {
      position = message.count
      return nil
    }
    return (Int(truncatingIfNeeded: tag >> 3), value)
  }

  private mutating func value(of wireType: UInt64) -> Value? {
    switch wireType {
    case 0: varint().map { .varint($0) }
    case 1: number(UInt64.self).map { .fixed64($0) }
    case 2: varint().flatMap { count in bytes(count).map { .bytes($0) } }
    case 5: number(UInt32.self).map { .fixed32($0) }
    default: nil
    }
  }

  private mutating func varint() -> UInt64? {
    var (value, shift) = (UInt64(0), UInt64(0))
    while position < message.count, shift < 64 {
      let byte = message[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
      shift += 7
    }
    return nil
  }

  private mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
    guard let bytes = bytes(UInt64(MemoryLayout<Number>.size)) else { return nil }
    return Number(littleEndian: bytes.loadUnaligned(as: Number.self))
  }

  private mutating func bytes(_ count: UInt64) -> UnsafeRawBufferPointer? {
    guard count <= UInt64(message.count - position) else { return nil }
    defer { position += Int(count) }
    return UnsafeRawBufferPointer(rebasing: message[position..<position + Int(count)])
  }
}
