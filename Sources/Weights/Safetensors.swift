import System
import Tensors

/// A safetensors file, opened for reading: names, types and shapes at once, the numbers on demand.
///
/// Opening validates everything that the format demands, so that callers need not check again: the header is JSON of
/// the one allowed form, no name occurs twice, every shape accounts for its bytes, and the tensors cover the rest of
/// the file without gap or overlap.
///
/// Source: https://github.com/huggingface/safetensors, "Format".
package struct Safetensors: Sendable {
  /// A tensor in the file, row-major.
  package struct Entry: Sendable, Equatable {
    package let name: String
    package let type: ElementType
    /// Outermost dimension first; `[]` for a scalar.
    package let shape: [Int]
    /// Its bytes in the file.
    package let range: Range<Int>

    /// Number of elements.
    package var count: Int { range.count / type.size }
  }

  /// The longest header that the format allows, in bytes.
  static let maximumHeader: UInt64 = 100_000_000

  package let path: String
  package let metadata: [String: String]
  /// In the order of the file.
  package let entries: [Entry]
  private let indices: [String: Int]
  private let file: MappedFile

  /// - Throws: `WeightsError` or `FileError` that names the file, what is wrong with it and what to do.
  package init(contentsOf path: String) throws { try self.init(MappedFile(path)) }

  init(_ file: MappedFile) throws {
    path = file.path
    self.file = file
    let bytes = file.bytes
    guard bytes.count >= 8 else { throw WeightsError(path, .tooShort(bytes: bytes.count)) }
    let claimed = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard claimed <= Self.maximumHeader else { throw WeightsError(path, .headerTooLong(claimed)) }
    guard claimed <= UInt64(bytes.count - 8) else {
      throw WeightsError(path, .headerPastEnd(header: claimed, file: bytes.count))
    }
    let start = 8 + Int(claimed)
    guard start > 8, bytes[8] == UInt8(ascii: "{") else { throw WeightsError(path, .notSafetensors) }

    let header: SafetensorsHeader
    do {
      header = try SafetensorsHeader(UnsafeRawBufferPointer(rebasing: bytes[8..<start]))
    } catch {
      throw WeightsError(path, error.problem)
    }
    metadata = header.metadata
    entries = try Self.checked(header.entries, start: start, file: file)
    indices = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
  }

  /// The entries in the order of the file, validated: they cover it from `start` to its end.
  private static func checked(_ raw: [SafetensorsHeader.Entry], start: Int, file: MappedFile) throws -> [Entry] {
    var entries: [Entry] = []
    entries.reserveCapacity(raw.count)
    var end = 0
    for entry in raw.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
      guard let type = ElementType(rawValue: entry.type) else {
        throw WeightsError(file.path, .unknownType(entry.type, of: entry.name))
      }
      guard let needed = type.bytes(of: entry.shape) else { throw WeightsError(file.path, .shapeTooLarge(entry.name)) }
      guard entry.begin <= end else { throw WeightsError(file.path, .gap(before: entry.name)) }
      guard entry.begin == end else { throw WeightsError(file.path, .overlap(entry.name)) }
      guard entry.end - entry.begin == needed else {
        throw WeightsError(file.path, .wrongLength(entry.name, bytes: entry.end - entry.begin, needed: needed))
      }
      guard entry.end <= file.bytes.count - start else {
        let (length, overflow) = start.addingReportingOverflow(entry.end)
        throw WeightsError(
          file.path, .wrongFileLength(bytes: file.bytes.count, needed: overflow ? Int.max : length))
      }
      end = entry.end
      entries.append(
        Entry(name: entry.name, type: type, shape: entry.shape, range: start + entry.begin..<start + entry.end))
    }
    guard start + end == file.bytes.count else {
      throw WeightsError(file.path, .wrongFileLength(bytes: file.bytes.count, needed: start + end))
    }
    return entries
  }

  package subscript(name: String) -> Entry? { indices[name].map { entries[$0] } }

  /// Calls `body` with the bytes of a tensor as they are in the file.
  package func withBytes<Outcome>(
    of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Outcome
  ) rethrows -> Outcome {
    try withExtendedLifetime(file) { try body(UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])) }
  }
}

extension Safetensors {
  /// The numbers of a floating-point tensor, rounded to float32, in the order of the file.
  ///
  /// - Throws: `WeightsError` if there is no such tensor, or it does not hold floating-point numbers.
  package func floats(_ name: String) throws -> [Float] {
    guard let entry = self[name] else { throw WeightsError(path, .noSuchTensor(name)) }
    let view = view(of: entry)
    guard view.isFloatingPoint else {
      throw WeightsError(path, .notNumbers(name, type: entry.type.rawValue))
    }
    return [Float](unsafeUninitializedCapacity: entry.count) { buffer, count in
      if let start = buffer.baseAddress { view.copy(to: start) }
      count = entry.count
    }
  }

  /// A tensor as a view of the file.
  func view(of entry: Entry) -> TensorView {
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
    guard let view = TensorView(entry.type, entry.shape, storage: bytes, owner: file) else {
      preconditionFailure("\(entry.name) was validated")
    }
    return view
  }

  /// How many numbers of a tensor are infinite or not a number as float32; 0 if it does not hold floating-point numbers.
  package func nonFiniteCount(_ entry: Entry) -> Int { view(of: entry).nonFiniteCount }
}
