/// A message in the wire format of Protocol Buffers, taken apart: written for these tests, without the encoder's code.
struct ProtobufReader {
  enum Failure: Error {
    case malformed(at: Int)
  }

  /// By field number, in the order of the message.
  private(set) var integers: [Int: [Int]] = [:]
  private(set) var bytes: [Int: [ArraySlice<UInt8>]] = [:]
  /// Numbers of the fields in the order of the message.
  private(set) var order: [Int] = []

  init(_ message: ArraySlice<UInt8>) throws {
    var position = message.startIndex
    func varint() throws -> UInt64 {
      var (value, shift) = (UInt64(0), UInt64(0))
      while position < message.endIndex, shift < 64 {
        let byte = message[position]
        position += 1
        value |= UInt64(byte & 0x7F) << shift
        if byte & 0x80 == 0 { return value }
        shift += 7
      }
      throw Failure.malformed(at: position)
    }
    while position < message.endIndex {
      let tag = try varint()
      let field = Int(tag >> 3)
      order.append(field)
      switch tag & 7 {
      case 0: integers[field, default: []].append(Int(truncatingIfNeeded: try varint()))
      case 2:
        let count = Int(try varint())
        guard count <= message.endIndex - position else { throw Failure.malformed(at: position) }
        bytes[field, default: []].append(message[position..<position + count])
        position += count
      default: throw Failure.malformed(at: position)
      }
    }
  }

  func text(_ field: Int) -> String { texts(field).first ?? "" }

  func texts(_ field: Int) -> [String] { (bytes[field] ?? []).map { String(decoding: $0, as: UTF8.self) } }

  func integer(_ field: Int) -> Int? { integers[field]?.first }

  func messages(_ field: Int) throws -> [ProtobufReader] { try (bytes[field] ?? []).map { try ProtobufReader($0) } }
}
