import CZlib
import Foundation
import ImageFixtures
import Images
import Tensors

extension Target {
  /// PNG files of every kind, decoded whole and in part.
  static func png(_ folder: Folder) throws -> Target {
    let path = folder.place("seed.png")
    func written(_ write: (String) throws -> Void) throws -> [UInt8] {
      try write(path)
      return try bytes(of: path)
    }
    var seeds = try [1, 3].map { channels in
      try written { try PNG.write(.noise(7, 9, channels: channels, seed: 1), to: $0) }
    }
    let colors = (0..<19).map { Palette.Color(red: UInt8($0), green: 0, blue: 9) }
    seeds.append(
      try written {
        try PNG.write(indices: .noise(40, 30, channels: 1, maximum: 18, seed: 2), palette: colors, to: $0)
      })
    seeds.append(try written { try PNG.write(Image(Size(64, 64), channels: 3, filledWith: 90), to: $0) })
    // Kinds that the program does not write: other bit depths and color types, interlaced, with chunks beside the pixels.
    for (depth, color, interlaced) in [
      (1, 0, 0), (2, 3, 1), (4, 0, 1), (8, 2, 1), (8, 4, 0), (8, 6, 0), (16, 0, 0), (16, 0, 1), (16, 2, 1),
    ] {
      seeds.append(crafted(depth: UInt8(depth), color: UInt8(color), interlaced: UInt8(interlaced)))
    }
    return Target(
      name: "png", share: 25, seeds: seeds, words: ["IHDR", "IDAT", "IEND", "PLTE", "tRNS", "zTXt", "iCCP", "gAMA"],
      repair: repairedPNG
    ) { input in
      let path = try folder.write(input, as: "input.png")
      let header = try PNG.header(path)
      if let reader = try? PNGReader(path, as: .gray16) { _ = try? reader.readValues() }
      for kind in [PNG.Kind.rgb, .photograph, .gray] {
        do {
          _ = try PNG.read(path, as: kind)
          let rows = header.size.height / 3..<max(header.size.height / 3 + 1, header.size.height / 2)
          let window = Image.Rect(x: 0, y: rows.lowerBound, Size(rows.count, header.size.width))
          _ = try PNGReader(path, as: kind).read(window, into: ImageBuffer())
        } catch {
          if kind == .gray { throw error }
        }
      }
    }
  }

  /// JPEG files, baseline, progressive and gray.
  static func jpeg(_ folder: Folder) throws -> Target {
    let seeds = try ["jpeg_rgb", "jpeg_progressive", "jpeg_gray", "jpeg_cmyk"].map { name in
      try bytes(of: String(ImageFixtures.path(name).dropLast(4)) + ".jpg")
    }
    return Target(name: "jpeg", share: 15, seeds: seeds, words: ["JFIF", "Exif", "Adobe"]) { input in
      _ = try JPEG.read(try folder.write(input, as: "input.jpg"))
    }
  }

  private static func crafted(depth: UInt8, color: UInt8, interlaced: UInt8) -> [UInt8] {
    let (width, height): (UInt8, UInt8) = (11, 9)
    let samples = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][color] ?? 1
    // More than enough rows for all passes of an interlaced image.
    let rows = [UInt8](repeating: 0, count: (1 + Int(width) * samples * Int(depth)) * Int(height))
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    file += chunk("IHDR", [0, 0, 0, width, 0, 0, 0, height, depth, color, 0, 0, interlaced])
    file += chunk("gAMA", [0, 0, 0xB1, 0x8F]) + chunk("tEXt", Array("Source\u{0}a street".utf8))
    if color == 3 { file += chunk("PLTE", [0, 0, 0, 9, 9, 9, 99, 99, 99, 255, 255, 255]) + chunk("tRNS", [0, 9]) }
    // A zlib stream of one stored block; `repairedPNG` fills in its checksum.
    let count = UInt16(rows.count)
    let length = [count, ~count].flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    return repairedPNG(file + chunk("IDAT", [0x78, 1, 1] + length + rows + [0, 0, 0, 0]) + chunk("IEND", []))
  }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    big(UInt32(content.count)) + Array(name.utf8) + content + [0, 0, 0, 0]
  }

  private static func big(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
  }

  /// With the right CRC for each chunk, and the right Adler-32 for pixels that are stored without compression.
  private static func repairedPNG(_ input: [UInt8]) -> [UInt8] {
    var bytes = input
    var start = 8
    while start + 12 <= bytes.count {
      let count = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      guard start + 12 + count <= bytes.count else { break }
      let content = start + 8..<start + 8 + count
      if bytes[start + 4..<start + 8].elementsEqual("IDAT".utf8), count > 11, bytes[content.lowerBound + 2] == 1 {
        let block = bytes[content.lowerBound + 7..<content.upperBound - 4]
        bytes.replaceSubrange(content.upperBound - 4..<content.upperBound, with: big(adler32(block)))
      }
      bytes.replaceSubrange(
        content.upperBound..<content.upperBound + 4, with: big(crc32(bytes[start + 4..<content.upperBound])))
      start = content.upperBound + 4
    }
    return bytes
  }

  private static func adler32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: adler32_z(1, $0.baseAddress, $0.count)) }
  }

  static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
  }
}
