/// The records of an event file: length (8 bytes), masked checksum of the length (4), payload, masked checksum of the
/// payload (4); numbers are little-endian.
///
/// A sequence of the byte ranges of whole records. It ends where the file does, and before a record that is truncated or
/// whose checksum is wrong: TensorBoard reads no further either.
package struct EventRecords: Sequence, IteratorProtocol {
  private static let header = 12
  private static let footer = 4

  private let bytes: UnsafeRawBufferPointer
  /// The end of the last whole record.
  package private(set) var position = 0

  /// - Parameter bytes: of the file; must outlive the sequence.
  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The range of the next record in the file, and its payload.
  package mutating func next() -> (range: Range<Int>, payload: UnsafeRawBufferPointer)? {
    guard bytes.count - position >= Self.header + Self.footer,
      let length = checked(position..<position + 8).map({ UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }),
      length <= UInt64(bytes.count - position - Self.header - Self.footer)
    else { return nil }
    let begin = position + Self.header
    guard let payload = checked(begin..<begin + Int(length)) else { return nil }
    let range = position..<begin + Int(length) + Self.footer
    position = range.upperBound
    return (range, payload)
  }

  /// The bytes of a range, if the checksum after them is theirs.
  private func checked(_ range: Range<Int>) -> UnsafeRawBufferPointer? {
    let part = UnsafeRawBufferPointer(rebasing: bytes[range])
    let checksum = bytes.loadUnaligned(fromByteOffset: range.upperBound, as: UInt32.self)
    return UInt32(littleEndian: checksum) == CRC32C.masked(part) ? part : nil
  }

  /// Frames a payload as a record.
  package static func record(_ payload: [UInt8]) -> [UInt8] {
    func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    let length = littleEndian(UInt64(payload.count))
    var record: [UInt8] = []
    record.reserveCapacity(header + payload.count + footer)
    record += length
    record += littleEndian(length.withUnsafeBytes(CRC32C.masked))
    record += payload
    record += littleEndian(payload.withUnsafeBytes(CRC32C.masked))
    return record
  }
}
