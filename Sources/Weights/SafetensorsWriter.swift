import System

/// Writes safetensors files, byte for byte as the format's own library does.
package enum SafetensorsWriter {
  /// A tensor to be written.
  package struct TensorRecord {
    package let name: String
    package let type: ElementType
    /// Outermost dimension first; `[]` for a scalar.
    package let shape: [Int]
    /// Writes all bytes, row-major and little-endian.
    package let fill: (UnsafeMutableRawBufferPointer) -> Void

    package init(
      _ name: String, _ type: ElementType, _ shape: [Int], fill: @escaping (UnsafeMutableRawBufferPointer) -> Void
    ) {
      self.name = name
      self.type = type
      self.shape = shape
      self.fill = fill
    }

    var count: Int { shape.reduce(type.size, *) }
  }

  /// Replaces the file at `path` atomically.
  ///
  /// - Throws: `FileError` that names the file, which is then unchanged.
  package static func write(
    _ tensors: [TensorRecord], metadata: [String: String] = [:], to path: String,
    in fileSystem: FileSystem = FileSystem()
  ) throws {
    try fileSystem.replaceFile(path) { try write(tensors, metadata: metadata, to: $0) }
  }

  static func write(_ tensors: [TensorRecord], metadata: [String: String], to file: OutputFile) throws {
    // By descending alignment, then by name, so that every tensor is aligned in the file.
    let sorted = tensors.sorted {
      $0.type != $1.type ? $0.type.order > $1.type.order : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
    }
    var header = header(of: sorted, metadata: metadata)
    header += [UInt8](repeating: UInt8(ascii: " "), count: header.count.roundedUp(toMultipleOf: 8) - header.count)
    try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.write($0) }
    try file.write(header)

    let scratch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: sorted.map(\.count).max() ?? 0, alignment: MemoryLayout<UInt64>.alignment)
    defer { scratch.deallocate() }
    for tensor in sorted {
      let bytes = UnsafeMutableRawBufferPointer(rebasing: scratch[..<tensor.count])
      tensor.fill(bytes)
      try file.write(UnsafeRawBufferPointer(bytes))
    }
  }

  private static func header(of tensors: [TensorRecord], metadata: [String: String]) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { JSON.quoted($0.key) + ":" + JSON.quoted($0.value) }
      members.append("\"\(SafetensorsHeader.metadataKey)\":{\(pairs.joined(separator: ","))}")
    }
    var end = 0
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let begin = end
      end += tensor.count
      members.append(
        JSON.quoted(tensor.name)
          + ":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],\"data_offsets\":[\(begin),\(end)]}")
    }
    return Array("{\(members.joined(separator: ","))}".utf8)
  }
}
