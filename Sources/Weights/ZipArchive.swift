import CZlib
import System

/// The central directory of a zip archive, and its entries: stored or deflated, with 64-bit sizes where there are any.
///
/// Only the central directory is trusted for sizes: the local headers of a file that PyTorch writes hold none. Entries may
/// neither overlap each other nor the directory, and encryption is refused.
///
/// Source: APPNOTE.TXT, version 6.3.10, sections 4.3 to 4.5.
struct ZipArchive {
  struct Entry {
    let name: String
    /// Its compressed data in the file.
    fileprivate(set) var range: Range<Int>
    let isDeflated: Bool
    /// Bytes when inflated.
    let size: Int
    let crc: UInt32
  }

  private(set) var entries: [Entry] = []
  private var indices: [String: Int] = [:]
  private let file: MappedFile
  /// Whether the entries have checksums: after `torch.serialization.set_crc32_options(False)` PyTorch writes zeros.
  private var hasChecksums = false

  /// Of a local header, and of the end record of an archive without entries.
  static let signatures: [[UInt8]] = [[0x50, 0x4B, 0x03, 0x04], [0x50, 0x4B, 0x05, 0x06]]
  private static let mostEntries = 1 << 20

  /// - Throws: `WeightsError` that names the file and what is wrong with it.
  init(_ file: MappedFile) throws {
    self.file = file
    let bytes = ByteReader(file)
    let directory = try Self.directory(bytes)
    guard directory.count <= Self.mostEntries else { throw bytes.damaged("it claims \(directory.count) entries") }
    var position = directory.range.lowerBound
    var occupied: [Range<Int>] = []
    for _ in 0..<directory.count {
      let (entry, local, next) = try Self.entry(bytes, at: position, within: directory.range)
      position = next
      guard entry.range.upperBound <= directory.range.lowerBound else {
        throw bytes.damaged("the entry \(entry.name) reaches into the zip directory")
      }
      guard indices.updateValue(entries.count, forKey: entry.name) == nil else {
        throw WeightsError(file.path, .duplicateName(entry.name))
      }
      occupied.append(local..<entry.range.upperBound)
      entries.append(entry)
    }
    hasChecksums = entries.contains { $0.crc != 0 }
    let order = occupied.indices.sorted { occupied[$0].lowerBound < occupied[$1].lowerBound }
    for (one, other) in zip(order, order.dropFirst())
    where occupied[one].upperBound > occupied[other].lowerBound {
      throw bytes.damaged("the entries \(entries[one].name) and \(entries[other].name) overlap")
    }
  }

  subscript(name: String) -> Entry? { indices[name].map { entries[$0] } }

  // MARK: - The directory

  /// Finds the central directory and the number of its entries.
  private static func directory(_ bytes: ByteReader) throws -> (range: Range<Int>, count: Int) {
    // The end record is the last thing in the file, but for a comment of up to 65535 bytes.
    let last = bytes.count - 22
    guard last >= 0,
      let end = try stride(from: last, through: max(0, last - 65535), by: -1).first(where: {
        try bytes.read32($0) == 0x0605_4B50
      })
    else { throw bytes.damaged("the zip directory at its end is missing") }
    var count = Int(try bytes.read16(end + 10))
    var size = Int(try bytes.read32(end + 12))
    var start = Int(try bytes.read32(end + 16))
    if count == 0xFFFF || size == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
      guard end >= 20, try bytes.read32(end - 20) == 0x0706_4B50 else {
        throw bytes.damaged("the zip64 directory is missing")
      }
      let record = try bytes.read64(end - 20 + 8)
      guard try bytes.read32(record) == 0x0606_4B50 else { throw bytes.damaged("the zip64 directory is missing") }
      count = try bytes.read64(record + 32)
      size = try bytes.read64(record + 40)
      start = try bytes.read64(record + 48)
    }
    guard start <= end, size <= end - start, count <= size / 46 else {
      throw bytes.damaged("its zip directory does not fit into it")
    }
    return (start..<start + size, count)
  }

  /// An entry of the directory, the place of its local header, and that of the next entry.
  private static func entry(
    _ bytes: ByteReader, at position: Int, within directory: Range<Int>
  ) throws -> (Entry, local: Int, next: Int) {
    guard position + 46 <= directory.upperBound, try bytes.read32(position) == 0x0201_4B50 else {
      throw bytes.damaged("its zip directory is broken off")
    }
    let lengths = try [28, 30, 32].map { Int(try bytes.read16(position + $0)) }
    let next = position + 46 + lengths.reduce(0, +)
    guard next <= directory.upperBound else { throw bytes.damaged("its zip directory is broken off") }
    let nameRange = position + 46..<position + 46 + lengths[0]
    guard let name = bytes.text(nameRange), !name.isEmpty else {
      throw bytes.damaged("its zip directory holds a name that is not UTF-8")
    }
    let flags = try bytes.read16(position + 8)
    guard flags & 1 == 0 else { throw WeightsError(bytes.path, .unsupported("is encrypted", remedy: "decrypt it")) }
    let method = try bytes.read16(position + 10)
    guard method == 0 || method == 8 else {
      throw WeightsError(
        bytes.path,
        .unsupported(
          "holds \(name) compressed by method \(method), not stored or deflated", remedy: "pack it again with zip"))
    }
    var size = Int(try bytes.read32(position + 24))
    var packed = Int(try bytes.read32(position + 20))
    var local = Int(try bytes.read32(position + 42))
    // The fields that do not fit into 32 bits, in this order.
    if var extra = try extraField(0x0001, bytes, in: nameRange.upperBound..<nameRange.upperBound + lengths[1]) {
      func take(_ value: inout Int) throws {
        guard value == 0xFFFF_FFFF else { return }
        guard extra.count >= 8 else { throw bytes.damaged("the sizes of \(name) are missing") }
        value = try bytes.read64(extra.lowerBound)
        extra = extra.lowerBound + 8..<extra.upperBound
      }
      try take(&size)
      try take(&packed)
      try take(&local)
    }
    guard local <= directory.lowerBound, try bytes.read32(local) == 0x0403_4B50 else {
      throw bytes.damaged("the entry \(name) is missing")
    }
    // Its extra field differs from the directory's: PyTorch pads the data to 64 bytes with it.
    let localName = Int(try bytes.read16(local + 26))
    let data = local + 30 + localName + Int(try bytes.read16(local + 28))
    guard bytes.text(local + 30..<local + 30 + localName) == name else {
      throw bytes.damaged("the entry \(name) has another name in the zip directory")
    }
    guard data <= bytes.count, packed <= bytes.count - data else {
      throw bytes.damaged("the entry \(name) is longer than the file")
    }
    guard method == 8 || packed == size else { throw bytes.damaged("the entry \(name) has two sizes") }
    let entry = Entry(
      name: name, range: data..<data + packed, isDeflated: method == 8, size: size,
      crc: try bytes.read32(position + 16))
    return (entry, local, next)
  }

  private static func extraField(_ id: UInt16, _ bytes: ByteReader, in range: Range<Int>) throws -> Range<Int>? {
    var position = range.lowerBound
    while position + 4 <= range.upperBound {
      let length = Int(try bytes.read16(position + 2))
      guard length <= range.upperBound - position - 4 else { return nil }
      if try bytes.read16(position) == id { return position + 4..<position + 4 + length }
      position += 4 + length
    }
    return nil
  }

  // MARK: - The data

  /// The data of an entry, in the mapped file or inflated into memory; its checksum, if the archive has any, is verified.
  ///
  /// - Parameter limit: the most bytes that may be inflated.
  func read(_ entry: Entry, limit: Int) throws -> FileBytes {
    let packed = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
    let data: FileBytes
    if entry.isDeflated {
      guard entry.size <= limit else {
        throw WeightsError(
          file.path,
          .unsupported(
            "inflates to far more than its \(file.bytes.count) bytes (\(entry.name): \(entry.size) bytes)",
            remedy: "give another file, or unpack it and pack it again with zip -0"))
      }
      guard let inflated = OwnedBytes(count: entry.size) else {
        throw WeightsError(
          file.path,
          .unsupported(
            "needs \(entry.size) bytes of memory for \(entry.name)", remedy: "unpack it and pack it again with zip -0"))
      }
      let target = inflated.buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
      guard
        czlib_inflate(packed.baseAddress?.assumingMemoryBound(to: UInt8.self), packed.count, target, entry.size) == 1
      else { throw WeightsError(file.path, .damaged("the entry \(entry.name) cannot be inflated")) }
      data = FileBytes(UnsafeRawBufferPointer(inflated.buffer), owner: inflated)
    } else {
      data = FileBytes(packed, owner: file)
    }
    guard hasChecksums, !data.bytes.isEmpty else { return data }
    let crc = crc32_z(0, data.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), data.bytes.count)
    guard UInt32(truncatingIfNeeded: crc) == entry.crc else {
      throw WeightsError(file.path, .damaged("the checksum of \(entry.name) is wrong"))
    }
    return data
  }
}
