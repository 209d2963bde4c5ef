/// PNG files assembled by hand from the specification: kinds that `PNG.write` does not produce, and damaged ones.
package struct CraftedPNG {
  package static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

  package var width: UInt32
  package var height: UInt32
  package var bitDepth: UInt8 = 8
  package var colorType: UInt8
  package var interlaced = false
  package var palette: [UInt8]?
  /// The rows, each after its filter byte, before compression.
  package var rows: [UInt8]
  /// Bytes of each block of the compressed stream.
  package var blockSize = 65535

  /// A valid file of zeros.
  package init(width: UInt32, height: UInt32, bitDepth: UInt8 = 8, colorType: UInt8) {
    self.width = width
    self.height = height
    self.bitDepth = bitDepth
    self.colorType = colorType
    let samples = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][colorType] ?? 1
    let row = 1 + (Int(width) * samples * Int(bitDepth) + 7) / 8
    rows = [UInt8](repeating: 0, count: row * Int(height))
    if colorType == 3 { palette = [10, 20, 30, 40, 50, 60] }
  }

  package init(width: UInt32, height: UInt32, colorType: UInt8, interlaced: Bool = false, rows: [UInt8]) {
    self.width = width
    self.height = height
    self.colorType = colorType
    self.interlaced = interlaced
    self.rows = rows
  }

  package var bytes: [UInt8] {
    var bytes = Self.signature
    bytes += Self.chunk(
      "IHDR", Self.big(width) + Self.big(height) + [bitDepth, colorType, 0, 0, interlaced ? 1 : 0])
    if let palette { bytes += Self.chunk("PLTE", palette) }
    bytes += Self.chunk("IDAT", Self.stored(rows, blockSize: blockSize))
    return bytes + Self.chunk("IEND", [])
  }

  package static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + content
    return big(UInt32(content.count)) + body + big(crc(body))
  }

  /// The chunks of a file: names and contents.
  package static func chunks(_ bytes: [UInt8]) -> [(name: String, content: [UInt8])] {
    var chunks: [(String, [UInt8])] = []
    var at = signature.count
    while at + 12 <= bytes.count {
      let count = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      chunks.append(
        (String(decoding: bytes[at + 4..<at + 8], as: UTF8.self), Array(bytes[at + 8..<at + 8 + count])))
      at += 12 + count
    }
    return chunks
  }

  package static func big(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }

  private static func crc(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0 as UInt32) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
  }

  /// A zlib stream of stored (uncompressed) blocks.
  private static func stored(_ bytes: [UInt8], blockSize: Int) -> [UInt8] {
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    var stream: [UInt8] = [0x78, 0x01]
    for start in stride(from: 0, to: bytes.count, by: blockSize) {
      let block = bytes[start..<min(start + blockSize, bytes.count)]
      let count = UInt16(block.count)
      stream.append(block.endIndex == bytes.count ? 1 : 0)
      stream += [count, ~count].flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] } + block
    }
    return stream + big(b << 16 | a)
  }
}
