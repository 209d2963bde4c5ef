import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Class boundaries")
struct BoundaryTests {
  @Test("Boundaries are bit-identical to SciPy's distance transforms")
  func reference() throws {
    #expect(try Boundary.map(of: ImageFixtures.gray("labelTrainIds"), classes: 19) == ImageFixtures.gray("boundary"))
  }

  @Test(
    "Boundaries equal the definition, class by class",
    arguments: [(1, 1), (1, 7), (5, 1), (3, 4), (8, 8), (9, 17), (33, 20)], [0, 1, 2, 3, 5])
  func definition(size: (Int, Int), distance: Int) {
    for seed in 1...4 {
      // Blocks of labels: some classes, the last class, the first value beyond it, ignored.
      let choice: [UInt8] = [0, 3, 18, 19, 255]
      let coarse = Image.noise(size.1 / 5 + 1, size.0 / 5 + 1, channels: 1, maximum: 4, seed: UInt64(seed))
      var labels = Image(Size(size.1, size.0), channels: 1)
      for y in 0..<size.1 {
        for x in 0..<size.0 { labels.pixels[y * size.0 + x] = choice[Int(coarse[y / 5, x / 5, 0])] }
      }
      #expect(Boundary.map(of: labels, classes: 19, distance: distance) == plain(labels, classes: 19, distance))
      #expect(Boundary.map(of: labels, classes: 3, distance: distance) == plain(labels, classes: 3, distance))
    }
  }

  @Test("The border of an image is a boundary of its classes, not of ignored pixels")
  func border() {
    let road = Boundary.map(of: Image(Size(6, 7), channels: 1), classes: 19)
    for y in 0..<6 { for x in 0..<7 { #expect(road[y, x, 0] == ((2...4).contains(x) && (2...3).contains(y) ? 0 : 1)) } }
    let ignored = Boundary.map(of: Image(Size(6, 7), channels: 1, filledWith: 255), classes: 19)
    #expect(ignored.pixels.allSatisfy { $0 == 0 })
  }

  private func plain(_ labels: Image, classes: Int, _ distance: Int) -> Image {
    let (width, height) = (labels.size.width, labels.size.height)
    var result = Image(labels.size, channels: 1)
    for label in 0..<classes {
      func belongs(_ x: Int, _ y: Int) -> Bool {
        (0..<width).contains(x) && (0..<height).contains(y) && Int(labels[y, x, 0]) == label
      }
      for y in 0..<height {
        for x in 0..<width {
          for dy in -distance...distance {
            for dx in -distance...distance where dx * dx + dy * dy <= distance * distance {
              if belongs(x, y) != belongs(x + dx, y + dy) { result.pixels[y * width + x] = 1 }
            }
          }
        }
      }
    }
    return result
  }
}
