import Images
import Testing

@Suite("Reading PNG files")
struct PNGReaderTests {
  /// Writes an image, reads it and its windows, all with one reader, and expects what was written.
  private func expectRead(_ image: Image, with reader: PNGReader, at location: SourceLocation = #_sourceLocation)
    throws
  {
    let folder = try TemporaryFolder()
    try PNG.write(image, to: folder.file("a.png"))
    try expectRead(image, folder.file("a.png"), with: reader, at: location)
  }

  private func expectRead(
    _ image: Image, _ path: String, with reader: PNGReader = PNGReader(),
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let kind: PNG.Kind = image.channels == 3 ? .rgb : .gray
    let (width, height) = (image.width, image.height)
    let size = try reader.open(path, as: kind)
    #expect(size == (width, height), sourceLocation: location)
    let whole = try reader.read()
    #expect(whole == image, sourceLocation: location)
    let rows = ImageRows()
    for window in [
      Image.Rect(width: width, height: height), Image.Rect(x: 0, y: 0, width: 1, height: 1),
      Image.Rect(x: width - 1, y: height - 1, width: 1, height: 1),
      Image.Rect(x: width / 3, y: height / 2, width: width - width / 3, height: (height + 1) / 2),
      Image.Rect(x: width / 2, y: height / 3, width: (width + 3) / 4, height: (height + 3) / 4),
    ] {
      _ = try reader.open(path, as: kind)
      let view = try reader.read(window, into: rows)
      #expect((view.width, view.height, view.channels) == (width, height, image.channels), sourceLocation: location)
      let (part, expected) = (view.cropped(to: window), image.cropped(to: window))
      #expect(part == expected, "\(window)", sourceLocation: location)
    }
  }

  @Test("Of noise, of few values, of one value: all of an image, and its windows", arguments: [1, 3])
  func contents(channels: Int) throws {
    let reader = PNGReader()
    for (width, height) in [(1, 1), (3, 2), (17, 40), (300, 211), (5, 3000)] {
      for most in [0, 1, 7, 255] as [UInt8] {
        try expectRead(.noise(width, height, channels: channels, most: most, seed: 21), with: reader)
      }
    }
  }

  @Test("Values of which each is half as frequent as the one before: codes of all lengths")
  func codes() throws {
    let noise = Image.noise(700, 400, channels: 1, seed: 22)
    var skewed = noise
    for (at, value) in noise.pixels.enumerated() where at > 1 {
      let bits = UInt32(value) << 8 | UInt32(noise.pixels[at - 1])
      skewed.pixels[at] = UInt8((bits | 1 << 16).trailingZeroBitCount)
    }
    try expectRead(skewed, with: PNGReader())
  }

  @Test("Patterns of any length that repeat, near and far")
  func patterns() throws {
    let reader = PNGReader()
    for length in Array(1...40) + [255, 1000, 32760, 32768, 32769, 40000] {
      let noise = Image.noise(length, 1, channels: 1, seed: UInt64(length)).pixels
      var image = Image(width: 401, height: 300, channels: 1)
      for at in image.pixels.indices { image.pixels[at] = noise[at % length] }
      try expectRead(image, with: reader)
    }
  }

  @Test("Each of PNG's predictions is undone, in rows that follow each other in any order", arguments: [1, 3])
  func predictions(channels: Int) throws {
    let folder = try TemporaryFolder()
    for width in [1, 2, 9, 40] {
      let image = Image.noise(width, 60, channels: channels, seed: 23)
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

  @Test("Damage is seen in all that a window needs, and not below it; a file that ends too soon is never taken")
  func damage() throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(200, 200, channels: 3, seed: 24)
    let path = folder.file("a.png")
    try PNG.write(image, to: path)
    let whole = try bytes(of: path)
    let top = Image.Rect(x: 0, y: 0, width: 200, height: 20)
    let bottom = Image.Rect(x: 0, y: 180, width: 200, height: 20)
    func reads(_ window: Image.Rect, _ bytes: [UInt8]) throws -> Bool {
      let reader = PNGReader()
      _ = try reader.open(try folder.write(bytes, as: "b.png"), as: .rgb)
      let rows = ImageRows()
      return withExtendedLifetime(rows) {
        let view = try? reader.read(window, into: rows)
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
    #expect(try !reads(top, whole.dropLast(5)))
    #expect(try !reads(top, Array(whole.prefix(whole.count * 3 / 4))))
  }

  @Test("A packed stream may hold anything: it is refused or an image comes of it, and nothing else is touched")
  func anything() throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(60, 40, channels: 1, most: 5, seed: 25)
    try PNG.write(image, to: folder.file("a.png"))
    let chunks = CraftedPNG.chunks(try bytes(of: folder.file("a.png")))
    var refused = 0
    for index in 0..<1500 {
      let places = Image.noise(2, 1, channels: 3, seed: UInt64(index)).pixels.map(Int.init)
      var file = CraftedPNG.signature
      for (name, content) in chunks {
        var content = content
        if name == "IDAT" {
          // Most of what matters, the codes, is at the beginning.
          let at = 2 + (places[0] * 256 + places[1]) % (index % 2 == 0 ? 60 : content.count - 2)
          content[at] ^= UInt8(1 << (places[2] % 8))
          if index % 3 == 0 { content[2 + places[3] % 60] = UInt8(places[4]) }
        }
        file += CraftedPNG.chunk(name, content)
      }
      // Each under a name of its own: some file systems wait for the disk where a file takes the place of another.
      let path = try folder.write(file, as: "\(index).png")
      if let read = try? PNG.read(path, as: .gray) {
        #expect((read.width, read.height) == (60, 40))
      } else {
        refused += 1
      }
    }
    #expect(refused > 500)
  }
}
