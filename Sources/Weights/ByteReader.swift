import System

/// Reads little-endian numbers and texts at places of a file, none of which can be beyond its end.
struct ByteReader {
  private let file: MappedFile
  private let bytes: UnsafeRawBufferPointer

  init(_ file: MappedFile) {
    self.file = file
    bytes = file.bytes
  }

  var path: String { file.path }
  var count: Int { bytes.count }

  func damaged(_ what: String) -> WeightsError { WeightsError(file.path, .damaged(what)) }

  private func load<Number: FixedWidthInteger>(_ position: Int, as: Number.Type) throws -> Number {
    guard position >= 0, position <= bytes.count - MemoryLayout<Number>.size else {
      throw damaged("it ends too early, after \(bytes.count) bytes")
    }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
  }

  func read16(_ position: Int) throws -> UInt16 { try load(position, as: UInt16.self) }
  func read32(_ position: Int) throws -> UInt32 { try load(position, as: UInt32.self) }

  /// A size or a place: no file reaches 2⁶² bytes, so that sums of two cannot overflow.
  func read64(_ position: Int) throws -> Int {
    let value = try load(position, as: UInt64.self)
    guard value < 1 << 62 else { throw damaged("it claims a size of \(value) bytes") }
    return Int(value)
  }

  /// The text of a range; nil if it is not UTF-8 or not inside the file.
  func text(_ range: Range<Int>) -> String? {
    guard range.lowerBound >= 0, range.upperBound <= bytes.count else { return nil }
    return String(validating: bytes[range], as: UTF8.self)
  }
}
