import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Images")
struct ImageTests {
  @Test("A crop holds the pixels of its window", arguments: [1, 3])
  func cropping(channels: Int) {
    let image = Image.noise(7, 9, channels: channels, seed: 10)
    let part = image.cropped(to: .init(x: 2, y: 3, Size(4, 5)))
    #expect(part.size == Size(4, 5) && part.channels == channels)
    for y in 0..<4 {
      for x in 0..<5 { for c in 0..<channels { #expect(part[y, x, c] == image[y + 3, x + 2, c]) } }
    }
    #expect(image.cropped(to: .init(image.size)) == image)
  }

  @Test("Images side by side keep their pixels, gray ones as RGB")
  func hstack() {
    let images = [
      Image.noise(5, 4, channels: 3, seed: 12), .noise(5, 7, channels: 1, seed: 13),
      .noise(5, 1, channels: 3, seed: 14),
    ]
    let joined = Image.hstack(images)
    #expect(joined.size == Size(5, 12) && joined.channels == 3)
    #expect(joined.cropped(to: .init(x: 0, y: 0, Size(5, 4))) == images[0])
    #expect(joined.cropped(to: .init(x: 11, y: 0, Size(5, 1))) == images[2])
    for y in 0..<5 { for x in 0..<7 { for c in 0..<3 { #expect(joined[y, 4 + x, c] == images[1][y, x, 0]) } } }
    #expect(Image.hstack([images[1], images[1]]).channels == 1)
  }

  @Test("A palette gives each value its color, and values beyond it the other color")
  func palette() {
    let indices = Image(Size(1, 4), channels: 1, pixels: [1, 0, 255, 2])
    let table: [Palette.Color] = [(1, 2, 3), (4, 5, 6)]
    #expect(Palette.colored(indices, by: table, other: (9, 8, 7)).pixels == [4, 5, 6, 1, 2, 3, 9, 8, 7, 9, 8, 7])
    #expect(Palette.colored(indices, by: table).pixels == [4, 5, 6, 1, 2, 3, 0, 0, 0, 0, 0, 0])
  }
}
