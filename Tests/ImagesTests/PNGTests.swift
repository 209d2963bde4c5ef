import ImageFixtures
import Images
import Tensors
import Testing

@Suite("PNG files")
struct PNGTests {
  @Test("A written image reads back identical", arguments: [(1, 1), (3, 2), (17, 5), (64, 33), (1, 40)], [1, 3])
  func roundTrip(size: (Int, Int), channels: Int) throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(size.1, size.0, channels: channels, seed: 1)
    let path = folder.file("image.png")
    try PNG.write(image, to: path)
    #expect(try PNG.read(path, as: channels == 3 ? .rgb : .gray) == image)
    #expect(try folder.names == ["image.png"])
  }

  @Test("The header gives size, bit depth and color type without the pixels")
  func header() throws {
    let folder = try TemporaryFolder()
    let file = CraftedPNG(width: 7, height: 5, bitDepth: 16, colorType: 6).bytes
    let headerOnly = try folder.write(Array(file.prefix(8 + 25 + 8)), as: "header.png")
    let header = try PNG.header(headerOnly)
    #expect(header.size == Size(5, 7) && header.bitDepth == 16)
    #expect(header.color == .rgbWithAlpha)
    for (colorType, color) in [(0, PNG.Color.gray), (2, .rgb), (3, .palette), (4, .grayWithAlpha)] {
      let path = try folder.write(CraftedPNG(width: 2, height: 3, colorType: UInt8(colorType)).bytes, as: "kind.png")
      #expect(try PNG.header(path).color == color)
    }
  }

  @Test("A text is written before the pixels and read back by its keyword")
  func text() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("map.png")
    let map = Image.noise(9, 31, channels: 1, seed: 2)
    try PNG.write(map, to: path, text: PNG.Text(keyword: "source", value: "{\"size\":7}"))
    let reader = try PNGReader(path, as: .gray)
    #expect(reader.text("source") == "{\"size\":7}")
    #expect(reader.text("author") == nil)
    #expect(try reader.read() == map)
    let names = CraftedPNG.chunks(try bytes(of: path)).map(\.name)
    #expect(names == ["IHDR", "tEXt", "IDAT", "IEND"])
    // A text with a bad checksum is no text.
    var damaged = try bytes(of: path)
    damaged[8 + 25 + 8 + 3] ^= 1
    #expect(try PNGReader(folder.write(damaged, as: "damaged.png"), as: .gray).text("source") == nil)
  }

  @Test("The end of a file is looked for without decoding it")
  func end() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("map.png")
    let map = Image.noise(9, 31, channels: 1, seed: 2)
    try PNG.write(map, to: path)
    let whole = try bytes(of: path)
    try PNGReader(path, as: .gray).requireEnd()
    try PNGReader(folder.write(whole + [1, 2, 3], as: "more.png"), as: .gray).requireEnd()
    for missing in [1, 12, 20] {
      let truncated = try folder.write(whole.dropLast(missing), as: "truncated.png")
      let error = #expect(throws: ImageError.self) { try PNGReader(truncated, as: .gray).requireEnd() }
      #expect(error?.problem == "is truncated")
    }
  }

  @Test("A map with a palette holds the values and the colors, and reads back as values")
  func palette() throws {
    let folder = try TemporaryFolder()
    let indices = Image.noise(9, 31, channels: 1, maximum: 2, seed: 2)
    let path = folder.file("map.png")
    try PNG.write(indices: indices, palette: [(1, 2, 3), (40, 50, 60), (255, 0, 128)], to: path)
    let header = try PNG.header(path)
    #expect(header.size == Size(9, 31) && header.bitDepth == 8)
    #expect(header.color == .palette)
    let chunks = CraftedPNG.chunks(try bytes(of: path))
    #expect(chunks.first { $0.name == "PLTE" }?.content == [1, 2, 3, 40, 50, 60, 255, 0, 128])
    #expect(try PNG.read(path, as: .gray) == indices)
  }

  @Test(
    "1, 2 and 4-bit gray and palette maps read as the stored values, neither scaled nor colored",
    arguments: [1, 2, 4], [0, 3])
  func packed(bitDepth: Int, colorType: Int) throws {
    let folder = try TemporaryFolder()
    let size = Size(6, 13)
    let map = Image.noise(size.height, size.width, channels: 1, maximum: UInt8(1 << bitDepth - 1), seed: 3)
    var file = CraftedPNG(
      width: UInt32(size.width), height: UInt32(size.height), bitDepth: UInt8(bitDepth), colorType: UInt8(colorType))
    file.palette = colorType == 3 ? (0..<3 << bitDepth).map { UInt8(200 - 3 * $0) } : nil
    file.rows = []
    for y in 0..<size.height {
      var bits: [UInt8] = []
      for x in 0..<size.width { bits += (0..<bitDepth).reversed().map { map[y, x, 0] >> UInt8($0) & 1 } }
      while bits.count % 8 != 0 { bits.append(0) }
      file.rows.append(0)
      for start in stride(from: 0, to: bits.count, by: 8) {
        file.rows.append(bits[start..<start + 8].reduce(0) { $0 << 1 | $1 })
      }
    }
    let path = try folder.write(file.bytes, as: "packed.png")
    #expect(try PNG.read(path, as: .gray) == map)
    let window = Image.Rect(x: 5, y: 2, Size(3, 7))
    let buffer = ImageBuffer()
    #expect(try PNGReader(path, as: .gray).read(window, into: buffer).cropped(to: window) == map.cropped(to: window))
  }

  @Test("A value without a color is an error, and nothing is written")
  func valueWithoutColor() throws {
    let folder = try TemporaryFolder()
    let indices = Image(Size(1, 2), channels: 1, pixels: [0, 2])
    let error = #expect(throws: ImageError.self) {
      try PNG.write(indices: indices, palette: [(0, 0, 0), (9, 9, 9)], to: folder.file("map.png"))
    }
    #expect(error?.description.contains("value 2 has no color in a palette of 2") == true)
    #expect(try folder.names.isEmpty)
  }

  @Test(
    "An interlaced file gives the same image, and the same windows", arguments: [(8, 8), (5, 3), (1, 1), (13, 17)],
    [1, 3])
  func interlaced(size: (Int, Int), channels: Int) throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(size.1, size.0, channels: channels, seed: 3)
    var rows: [UInt8] = []
    // Adam7: x and y of the first pixel of each pass, and the steps to the next.
    for (x0, y0, dx, dy) in [
      (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ] where x0 < size.0 {
      for y in stride(from: y0, to: size.1, by: dy) {
        rows.append(0)
        for x in stride(from: x0, to: size.0, by: dx) { rows += (0..<channels).map { image[y, x, $0] } }
      }
    }
    let file = CraftedPNG(
      width: UInt32(size.0), height: UInt32(size.1), colorType: channels == 3 ? 2 : 0, interlaced: true, rows: rows)
    let path = try folder.write(file.bytes, as: "a.png")
    let kind: PNG.Kind = channels == 3 ? .rgb : .gray
    #expect(try PNG.read(path, as: kind) == image)
    let window = Image.Rect(x: size.0 / 2, y: size.1 / 3, Size((size.1 + 1) / 2, (size.0 + 1) / 2))
    let buffer = ImageBuffer()
    #expect(try PNGReader(path, as: kind).read(window, into: buffer).cropped(to: window) == image.cropped(to: window))
  }

  @Test("Color profiles, transparency and texts are ignored, damaged or not")
  func ancillaryChunks() throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(4, 6, channels: 3, seed: 4)
    try PNG.write(image, to: folder.file("plain.png"))
    var file = CraftedPNG.signature
    for (name, content) in CraftedPNG.chunks(try bytes(of: folder.file("plain.png"))) {
      file += CraftedPNG.chunk(name, content)
      if name == "IHDR" {
        file += CraftedPNG.chunk("gAMA", [0, 0, 0x40, 0])
        file += CraftedPNG.chunk("iCCP", Array("no profile at all".utf8))
        file += CraftedPNG.chunk("tRNS", [0, 1, 0, 2, 0, 3])
        file += CraftedPNG.chunk("tEXt", Array("Title\0street".utf8))
        for name in ["tEXt", "gAMA", "tRNS"] {
          var damaged = CraftedPNG.chunk(name, Array("Title\0street".utf8))
          damaged[damaged.count - 1] ^= 1
          file += damaged
        }
      }
    }
    #expect(try PNG.read(folder.write(file, as: "ancillary.png"), as: .rgb) == image)
  }
}
