import Images
import Testing

@Suite("Boundaries")
struct BoundaryTests {
  @Test("Boundaries are those of SciPy's distance transforms, to the bit")
  func reference() throws {
    #expect(try Boundary.map(of: Fixtures.gray("labelTrainIds")) == Fixtures.gray("boundary"))
  }

  @Test(
    "Boundaries are those of the definition, class by class",
    arguments: [(1, 1), (1, 7), (5, 1), (3, 4), (8, 8), (9, 17), (33, 20)], [0, 1, 2, 3, 5])
  func definition(size: (Int, Int), distance: Int) {
    for seed in 1...4 {
      // Blocks of labels: some classes, the last one, the first value beyond, ignored.
      let choice: [UInt8] = [0, 3, 18, 19, 255]
      let coarse = Image.noise(size.0 / 5 + 1, size.1 / 5 + 1, channels: 1, most: 4, seed: UInt64(seed))
      var labels = Image(width: size.0, height: size.1, channels: 1)
      for y in 0..<size.1 {
        for x in 0..<size.0 { labels.pixels[y * size.0 + x] = choice[Int(coarse[x / 5, y / 5, 0])] }
      }
      #expect(Boundary.map(of: labels, distance: distance) == plain(labels, classes: 19, distance))
      #expect(Boundary.map(of: labels, classes: 3, distance: distance) == plain(labels, classes: 3, distance))
    }
  }

  @Test("The frame of an image is a boundary of its classes, and none of what is ignored")
  func frame() {
    let road = Boundary.map(of: Image(width: 7, height: 6, channels: 1))
    for y in 0..<6 { for x in 0..<7 { #expect(road[x, y, 0] == ((2...4).contains(x) && (2...3).contains(y) ? 0 : 1)) } }
    let ignored = Boundary.map(of: Image(width: 7, height: 6, channels: 1, filledWith: 255))
    #expect(ignored.pixels.allSatisfy { $0 == 0 })
  }

  private func plain(_ labels: Image, classes: Int, _ distance: Int) -> Image {
    let (width, height) = (labels.width, labels.height)
    var result = Image(width: width, height: height, channels: 1)
    for label in 0..<classes {
      func belongs(_ x: Int, _ y: Int) -> Bool {
        (0..<width).contains(x) && (0..<height).contains(y) && Int(labels[x, y, 0]) == label
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
