import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Reading PNG files")
struct PNGReaderTests {
  /// Writes an image and expects to read it and its windows.
  private func expectRead(_ image: Image, at location: SourceLocation = #_sourceLocation) throws {
    let folder = try TemporaryFolder()
    try PNG.write(image, to: folder.file("a.png"))
    try expectRead(image, folder.file("a.png"), at: location)
  }

  private func expectRead(_ image: Image, _ path: String, at location: SourceLocation = #_sourceLocation) throws {
    let kind: PNG.Kind = image.channels == 3 ? .rgb : .gray
    let (width, height) = (image.size.width, image.size.height)
    let reader = try PNGReader(path, as: kind)
    #expect(reader.size == image.size, sourceLocation: location)
    let whole = try reader.read()
    #expect(whole == image, sourceLocation: location)
    let buffer = ImageBuffer()
    for window in [
      Image.Rect(image.size), Image.Rect(x: 0, y: 0, Size(1, 1)), Image.Rect(x: width - 1, y: height - 1, Size(1, 1)),
      Image.Rect(x: width / 3, y: height / 2, Size((height + 1) / 2, width - width / 3)),
      Image.Rect(x: width / 2, y: height / 3, Size((height + 3) / 4, (width + 3) / 4)),
    ] {
      let view = try PNGReader(path, as: kind).read(window, into: buffer)
      #expect(view.size == image.size && view.channels == image.channels, sourceLocation: location)
      let (part, expected) = (view.cropped(to: window), image.cropped(to: window))
      #expect(part == expected, "\(window)", sourceLocation: location)
    }
  }

  @Test("Images of noise, of few values and of one value are read, and so are their windows", arguments: [1, 3])
  func contents(channels: Int) throws {
    for (width, height) in [(1, 1), (3, 2), (17, 40), (300, 211), (5, 3000)] {
      for maximum in [0, 1, 7, 255] as [UInt8] {
        try expectRead(.noise(height, width, channels: channels, maximum: maximum, seed: 21))
      }
    }
  }

  @Test("Every row filter is undone, in any order of rows", arguments: [1, 3])
  func filters(channels: Int) throws {
    let folder = try TemporaryFolder()
    for width in [1, 2, 9, 40] {
      let image = Image.noise(60, width, channels: channels, seed: 23)
      var rows: [UInt8] = []
      for y in 0..<60 {
        let filter = y < 5 ? y : (y * y / 3 + y) % 5
        rows.append(UInt8(filter))
        for at in 0..<width * channels {
          func pixel(_ at: Int, _ y: Int) -> Int {
            y < 0 || at < 0 ? 0 : Int(image.pixels[y * width * channels + at])
          }
          let (left, above, aboveLeft) = (pixel(at - channels, y), pixel(at, y - 1), pixel(at - channels, y - 1))
          let estimate = left + above - aboveLeft
          let neighbors = [left, above, aboveLeft]
          let nearest = neighbors.min { abs($0 - estimate) < abs($1 - estimate) } ?? 0
          let prediction = [0, left, above, (left + above) / 2, nearest][filter]
          rows.append(UInt8(truncatingIfNeeded: pixel(at, y) - prediction))
        }
      }
      var file = CraftedPNG(width: UInt32(width), height: 60, colorType: channels == 3 ? 2 : 0, rows: rows)
      file.blockSize = 1000
      try expectRead(image, folder.write(file.bytes, as: "crafted.png"))
    }
  }

  @Test("Damage is noticed in every chunk that a window needs, and not below it; truncation always")
  func damage() throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(200, 200, channels: 3, seed: 24)
    let path = folder.file("a.png")
    try PNG.write(image, to: path)
    let whole = try bytes(of: path)
    let top = Image.Rect(x: 0, y: 0, Size(20, 200))
    let bottom = Image.Rect(x: 0, y: 180, Size(20, 200))
    func reads(_ window: Image.Rect, _ bytes: [UInt8]) throws -> Bool {
      let reader = try PNGReader(folder.write(bytes, as: "b.png"), as: .rgb)
      let buffer = ImageBuffer()
      return withExtendedLifetime(buffer) {
        let view = try? reader.read(window, into: buffer)
        return view?.cropped(to: window) == image.cropped(to: window)
      }
    }
    #expect(try reads(top, whole))
    #expect(try reads(bottom, whole))
    var changed = whole
    changed[whole.count - 100] ^= 4
    #expect(try reads(top, changed))
    #expect(try !reads(bottom, changed))
    changed = whole
    changed[200] ^= 4
    #expect(try !reads(top, changed))
    #expect(try !reads(bottom, changed))
    // The checksum of the last chunk that the window needs a part of: 12,020 of 8,192 + 8,192 packed bytes.
    changed = whole
    changed[8192 + 12 + 33 + 8192] ^= 4
    #expect(try !reads(top, changed))
    #expect(try !reads(top, whole.dropLast(5)))
    #expect(try !reads(top, Array(whole.prefix(whole.count * 3 / 4))))
  }

  @Test("Any compressed stream is an error or an image, and never a crash")
  func anything() throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(40, 60, channels: 1, maximum: 5, seed: 25)
    try PNG.write(image, to: folder.file("a.png"))
    let chunks = CraftedPNG.chunks(try bytes(of: folder.file("a.png")))
    var refused = 0
    for index in 0..<1500 {
      let random = Image.noise(1, 2, channels: 3, seed: UInt64(index)).pixels.map(Int.init)
      var file = CraftedPNG.signature
      for (name, content) in chunks {
        var content = content
        if name == "IDAT" {
          // Mostly at the beginning, where the Huffman codes are.
          let at = 2 + (random[0] * 256 + random[1]) % (index % 2 == 0 ? 60 : content.count - 2)
          content[at] ^= UInt8(1 << (random[2] % 8))
          if index % 3 == 0 { content[2 + random[3] % 60] = UInt8(random[4]) }
        }
        file += CraftedPNG.chunk(name, content)
      }
      // Each under its own name: some file systems flush to disk when a file is replaced.
      let path = try folder.write(file, as: "\(index).png")
      if let read = try? PNG.read(path, as: .gray) {
        #expect(read.size == Size(40, 60))
      } else {
        refused += 1
      }
    }
    #expect(refused > 500)
  }

  @Test("Values of 16 bits are read, big-endian as they are stored, interlaced or not", arguments: [false, true])
  func sixteenBits(interlaced: Bool) throws {
    let folder = try TemporaryFolder()
    // A width of one keeps the passes of an interlaced image in the order of its rows: 0, 4, then 2, then 1 and 3.
    let values = [26001, 7, 65535, 256, 1000] as [UInt16]
    let order = interlaced ? [0, 4, 2, 1, 3] : [0, 1, 2, 3, 4]
    var file = CraftedPNG(
      width: 1, height: 5, colorType: 0, interlaced: interlaced,
      rows: order.flatMap { [0, UInt8(values[$0] >> 8), UInt8(values[$0] & 255)] })
    file.bitDepth = 16
    let path = try folder.write(file.bytes, as: "instances.png")
    #expect(try PNGReader(path, as: .gray16).readValues() == values)
    // A part of the file, with and without its end.
    let truncated = try folder.write(Array(file.bytes.dropLast(30)), as: "truncated.png")
    let errors = [
      #expect(throws: ImageError.self) { try PNGReader(truncated, as: .gray16).readValues() },
      #expect(throws: ImageError.self) { try PNGReader(truncated, as: .gray16).requireEnd() },
    ]
    for error in errors { #expect(error?.description == "\(truncated): is truncated; restore the file") }
  }

  @Test("A gray file of 8 bits or fewer has small values; colors and palettes are refused as values")
  func smallValues() throws {
    let folder = try TemporaryFolder()
    try PNG.write(Image(Size(1, 3), channels: 1, pixels: [0, 7, 255]), to: folder.file("gray.png"))
    #expect(try PNGReader(folder.file("gray.png"), as: .gray16).readValues() == [0, 7, 255])
    #expect(
      try PNGReader(ImageFixtures.path("gray_16bit_64x32"), as: .gray16).readValues()
        == [UInt16](repeating: 7, count: 64 * 32))
    for colorType in [2, 3, 4, 6] as [UInt8] {
      let path = try folder.write(CraftedPNG(width: 2, height: 3, colorType: colorType).bytes, as: "kind.png")
      let error = #expect(throws: ImageError.self) { try PNGReader(path, as: .gray16) }
      #expect(error?.description.contains("but 16-bit gray is needed here") == true)
    }
  }
}
