import Images
import Testing

@Suite("PNG files")
struct PNGTests {
  @Test("What is written is read back", arguments: [(1, 1), (3, 2), (17, 5), (64, 33), (1, 40)], [1, 3])
  func roundTrip(size: (Int, Int), channels: Int) throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(size.0, size.1, channels: channels, seed: 1)
    let path = folder.file("image.png")
    try PNG.write(image, to: path)
    #expect(try PNG.read(path, as: channels == 3 ? .rgb : .gray) == image)
    #expect(try folder.names == ["image.png"])
  }

  @Test("The header tells size, depth and kind without reading the pixels")
  func header() throws {
    let folder = try TemporaryFolder()
    let file = CraftedPNG(width: 7, height: 5, bitDepth: 16, colorType: 6).bytes
    let headerAlone = try folder.write(Array(file.prefix(8 + 25 + 8)), as: "header.png")
    let header = try PNG.header(headerAlone)
    #expect((header.width, header.height, header.bitDepth) == (7, 5, 16))
    #expect(header.color == .rgbWithAlpha)
    for (colorType, color) in [(0, PNG.Color.gray), (2, .rgb), (3, .palette), (4, .grayWithAlpha)] {
      let path = try folder.write(CraftedPNG(width: 2, height: 3, colorType: UInt8(colorType)).bytes, as: "kind.png")
      #expect(try PNG.header(path).color == color)
    }
  }

  @Test("A map with a palette holds the values and the colors")
  func palette() throws {
    let folder = try TemporaryFolder()
    let indices = Image.noise(31, 9, channels: 1, most: 2, seed: 2)
    let path = folder.file("map.png")
    try PNG.write(indices: indices, palette: [(1, 2, 3), (40, 50, 60), (255, 0, 128)], to: path)
    let header = try PNG.header(path)
    #expect((header.width, header.height, header.bitDepth) == (31, 9, 8))
    #expect(header.color == .palette)
    let chunks = CraftedPNG.chunks(try bytes(of: path))
    #expect(chunks.first { $0.name == "PLTE" }?.content == [1, 2, 3, 40, 50, 60, 255, 0, 128])

    // The same file called gray, its palette left out: what the values are.
    var gray = CraftedPNG.signature
    for (name, content) in chunks where name != "PLTE" {
      var content = content
      if name == "IHDR" { content[9] = 0 }
      gray += CraftedPNG.chunk(name, content)
    }
    #expect(try PNG.read(folder.write(gray, as: "gray.png"), as: .gray) == indices)
  }

  @Test("A value without a color is refused and nothing is written")
  func valueWithoutColor() throws {
    let folder = try TemporaryFolder()
    let indices = Image(width: 2, height: 1, channels: 1, pixels: [0, 2])
    let error = #expect(throws: ImageError.self) {
      try PNG.write(indices: indices, palette: [(0, 0, 0), (9, 9, 9)], to: folder.file("map.png"))
    }
    #expect(error?.description.contains("value 2 has no color in a palette of 2") == true)
    #expect(try folder.names.isEmpty)
  }

  @Test("An interlaced file gives the same image", arguments: [(8, 8), (5, 3), (1, 1), (13, 17)], [1, 3])
  func interlaced(size: (Int, Int), channels: Int) throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(size.0, size.1, channels: channels, seed: 3)
    var rows: [UInt8] = []
    // Adam7: x and y of the first pixel of each pass, and the steps to the next.
    for (x0, y0, dx, dy) in [
      (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ] where x0 < size.0 {
      for y in stride(from: y0, to: size.1, by: dy) {
        rows.append(0)
        for x in stride(from: x0, to: size.0, by: dx) { rows += (0..<channels).map { image[x, y, $0] } }
      }
    }
    let file = CraftedPNG(
      width: UInt32(size.0), height: UInt32(size.1), colorType: channels == 3 ? 2 : 0, interlaced: true, rows: rows)
    #expect(try PNG.read(folder.write(file.bytes, as: "a.png"), as: channels == 3 ? .rgb : .gray) == image)
  }

  @Test("Color profiles, transparency and texts beside the pixels change nothing")
  func ancillaryChunks() throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(6, 4, channels: 3, seed: 4)
    try PNG.write(image, to: folder.file("plain.png"))
    var file = CraftedPNG.signature
    for (name, content) in CraftedPNG.chunks(try bytes(of: folder.file("plain.png"))) {
      file += CraftedPNG.chunk(name, content)
      if name == "IHDR" {
        file += CraftedPNG.chunk("gAMA", [0, 0, 0x40, 0])
        file += CraftedPNG.chunk("iCCP", Array("no profile at all".utf8))
        file += CraftedPNG.chunk("tRNS", [0, 1, 0, 2, 0, 3])
        file += CraftedPNG.chunk("tEXt", Array("Title\0street".utf8))
      }
    }
    #expect(try PNG.read(folder.write(file, as: "dressed.png"), as: .rgb) == image)
  }
}
