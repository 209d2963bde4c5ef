import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Photographs of every kind")
struct PhotographTests {
  private static func jpeg(_ name: String) -> String { String(ImageFixtures.path(name).dropLast(4)) + ".jpg" }

  @Test(
    "A JPEG file is decoded as by Pillow", .enabled(if: JPEG.isSupported, "this program has no libjpeg"),
    arguments: ["jpeg_rgb", "jpeg_progressive", "jpeg_gray"])
  func decoded(name: String) throws {
    let expected = try ImageFixtures.rgb(name)
    #expect(try Photograph.size(Self.jpeg(name)) == expected.size)
    #expect(try Photograph.read(Self.jpeg(name)) == expected)
  }

  @Test(
    "Without libjpeg the error names the package",
    .enabled(if: !JPEG.isSupported, "this test needs a program without libjpeg"))
  func withoutLibrary() throws {
    let error = #expect(throws: ImageError.self) { try Photograph.read(Self.jpeg("jpeg_rgb")) }
    #expect(error?.description.contains("built without libjpeg; install libjpeg-dev") == true)
  }

  @Test(
    "A JPEG file truncated anywhere is refused, and one with other bytes is decoded or refused",
    .enabled(if: JPEG.isSupported, "this program has no libjpeg"), arguments: ["jpeg_rgb", "jpeg_progressive"])
  func damaged(name: String) throws {
    let folder = try TemporaryFolder()
    let whole = try bytes(of: Self.jpeg(name))
    for count in 3..<whole.count - 2 {
      let path = try folder.write(Array(whole.prefix(count)), as: "cut.jpg")
      #expect(throws: ImageError.self, "\(count) bytes") { try Photograph.read(path) }
    }
    for index in stride(from: 2, to: whole.count, by: 3) {
      for change: UInt8 in [0xFF, 0x55] {
        var changed = whole
        changed[index] ^= change
        // No outcome but an image or an error.
        _ = try? Photograph.read(try folder.write(changed, as: "changed.jpg"))
      }
    }
  }

  @Test(
    "A JPEG header of more pixels than its bytes can hold is refused",
    .enabled(if: JPEG.isSupported, "this program has no libjpeg"))
  func tooLarge() throws {
    let folder = try TemporaryFolder()
    var file = try bytes(of: Self.jpeg("jpeg_rgb"))
    let frame = try #require(file.indices.dropLast(9).first { file[$0] == 0xFF && file[$0 + 1] == 0xC0 })
    file.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0x00, 0xFF, 0x00])
    let path = try folder.write(file, as: "large.jpg")
    let error = #expect(throws: ImageError.self) { try Photograph.read(path) }
    #expect(error?.problem == "claims to be 65280×65280, more than the 268435456 pixels of an image")
    file.replaceSubrange(frame + 5..<frame + 9, with: [0x20, 0x00, 0x20, 0x00])
    let other = try folder.write(file, as: "other.jpg")
    let claim = #expect(throws: ImageError.self) { try Photograph.read(other) }
    #expect(claim?.problem == "claims to be 8192×8192, more than its \(file.count) bytes can hold")
  }

  @Test("CMYK colors are refused", .enabled(if: JPEG.isSupported, "this program has no libjpeg"))
  func cmyk() throws {
    let error = #expect(throws: ImageError.self) { try Photograph.read(Self.jpeg("jpeg_cmyk")) }
    #expect(
      error?.description.hasSuffix("is a JPEG file with CMYK colors, which is not supported; convert it to PNG") == true
    )
  }

  @Test("PNG files of every kind become 8-bit RGB, whatever their name", arguments: [0, 2, 4, 6], [8, 16])
  func kinds(colorType: Int, bitDepth: Int) throws {
    let folder = try TemporaryFolder()
    let file = CraftedPNG(width: 7, height: 5, bitDepth: UInt8(bitDepth), colorType: UInt8(colorType))
    let image = try Photograph.read(try folder.write(file.bytes, as: "image.jpg"))
    #expect(image.size == Size(5, 7) && image.channels == 3)
  }

  @Test("Gray becomes three equal channels and RGB stays as it is")
  func values() throws {
    let folder = try TemporaryFolder()
    let gray = Image.noise(9, 31, channels: 1, seed: 2)
    try PNG.write(gray, to: folder.file("gray.png"))
    #expect(try Photograph.read(folder.file("gray.png")).pixels == gray.pixels.flatMap { [$0, $0, $0] })
    let palette = [(red: UInt8(9), green: UInt8(8), blue: UInt8(7)), (red: 200, green: 100, blue: 0)]
    let map = Image.noise(9, 31, channels: 1, maximum: 1, seed: 3)
    try PNG.write(indices: map, palette: palette, to: folder.file("palette.png"))
    #expect(try Photograph.read(folder.file("palette.png")) == Palette.colored(map, by: palette))
    let rgb = Image.noise(9, 31, channels: 3, seed: 4)
    try PNG.write(rgb, to: folder.file("rgb.png"))
    #expect(try Photograph.read(folder.file("rgb.png")) == rgb)
  }

  @Test("What is neither is refused, as is a file that is missing")
  func neither() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Array("no image".utf8), as: "image.jpg")
    #expect(throws: ImageError.self) { try Photograph.read(path) }
    #expect(throws: ImageError.self) { try Photograph.read(folder.file("nothing.png")) }
    #expect(throws: ImageError.self) { try Photograph.read(folder.path) }
  }

  @Test("The mirror image exchanges left and right", arguments: [1, 3])
  func mirrored(channels: Int) {
    let image = Image.noise(4, 7, channels: channels, seed: 5)
    let mirrored = image.mirrored
    for y in 0..<4 { for x in 0..<7 { #expect(mirrored[y, x, channels - 1] == image[y, 6 - x, channels - 1]) } }
    #expect(mirrored.mirrored == image)
  }
}
