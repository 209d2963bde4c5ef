import Images
import Testing

@Suite("Images")
struct ImageTests {
  @Test("A window cuts out its pixels", arguments: [1, 3])
  func cropping(channels: Int) {
    let image = Image.noise(9, 7, channels: channels, seed: 10)
    let part = image.cropped(to: .init(x: 2, y: 3, width: 5, height: 4))
    #expect((part.width, part.height, part.channels) == (5, 4, channels))
    for y in 0..<4 {
      for x in 0..<5 { for c in 0..<channels { #expect(part[x, y, c] == image[x + 2, y + 3, c]) } }
    }
    #expect(image.cropped(to: .init(x: 0, y: 0, width: 9, height: 7)) == image)
  }

  @Test("Flipping exchanges left and right and keeps colors together", arguments: [1, 3])
  func flipping(channels: Int) {
    let image = Image.noise(8, 3, channels: channels, seed: 11)
    let flipped = image.flipped()
    for y in 0..<3 { for x in 0..<8 { for c in 0..<channels { #expect(flipped[x, y, c] == image[7 - x, y, c]) } } }
  }

  @Test("Side by side, each image is found in its place, gray ones as RGB")
  func hstack() {
    let images = [
      Image.noise(4, 5, channels: 3, seed: 12), .noise(7, 5, channels: 1, seed: 13),
      .noise(1, 5, channels: 3, seed: 14),
    ]
    let joined = Image.hstack(images)
    #expect((joined.width, joined.height, joined.channels) == (12, 5, 3))
    #expect(joined.cropped(to: .init(x: 0, y: 0, width: 4, height: 5)) == images[0])
    #expect(joined.cropped(to: .init(x: 11, y: 0, width: 1, height: 5)) == images[2])
    for y in 0..<5 { for x in 0..<7 { for c in 0..<3 { #expect(joined[4 + x, y, c] == images[1][x, y, 0]) } } }
    #expect(Image.hstack([images[1], images[1]]).channels == 1)
  }

  @Test("A palette gives each value its color, and those beyond it the other one")
  func palette() {
    let indices = Image(width: 4, height: 1, channels: 1, pixels: [1, 0, 255, 2])
    let table: [Palette.Color] = [(1, 2, 3), (4, 5, 6)]
    #expect(Palette.colored(indices, by: table, other: (9, 8, 7)).pixels == [4, 5, 6, 1, 2, 3, 9, 8, 7, 9, 8, 7])
    #expect(Palette.colored(indices, by: table).pixels == [4, 5, 6, 1, 2, 3, 0, 0, 0, 0, 0, 0])
  }
}
