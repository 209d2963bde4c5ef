import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Canny edges")
struct CannyTests {
  @Test(
    "Edges are bit-identical to OpenCV's",
    arguments: [
      ("image", 10, 100, "canny_10_100"), ("tiles", 10, 100, "tiles_canny_10_100"),
      ("tiles", 300, 600, "tiles_canny_300_600"),
    ])
  func references(name: String, low: Int, high: Int, expected: String) throws {
    #expect(try Canny.edges(of: ImageFixtures.rgb(name), low: low, high: high) == ImageFixtures.gray(expected))
  }

  @Test(
    "Edges equal the definition, at any size",
    arguments: [(1, 1), (1, 9), (9, 1), (2, 2), (7, 6), (8, 8), (9, 10), (16, 15), (17, 33), (64, 31)], [1, 3])
  func definition(size: (Int, Int), channels: Int) {
    for (seed, maximum) in [(1, 255), (2, 1), (3, 3), (4, 40)] {
      let noise = Image.noise(size.1, size.0, channels: channels, maximum: UInt8(maximum), seed: UInt64(seed))
      let image =
        maximum < 9
        ? Image(noise.size, channels: channels, pixels: noise.pixels.map { $0 * UInt8(255 / maximum) })
        : noise
      for (low, high) in [(0, 0), (10, 100), (200, 500), (600, 5000)] {
        #expect(Canny.edges(of: image, low: low, high: high) == plain(image, low, high))
      }
    }
  }

  @Test("Hysteresis: a weak edge counts only if it is connected to a strong one")
  func hysteresis() {
    var image = Image(Size(40, 60), channels: 1, filledWith: 100)
    for y in 0..<40 {
      for x in 30..<60 { image.pixels[y * 60 + x] = y < 5 ? 200 : 110 }  // a strong step at the top, a weak one below
    }
    let edges = Canny.edges(of: image)
    #expect((8..<40).allSatisfy { y in (28...31).contains { edges[y, $0, 0] == 255 } })
    for y in 0..<40 { for x in 30..<60 { image.pixels[y * 60 + x] = 110 } }
    #expect(Canny.edges(of: image).pixels.allSatisfy { $0 == 0 })
  }

  /// The definition, pixel by pixel.
  private func plain(_ image: Image, _ low: Int, _ high: Int) -> Image {
    let (width, height) = (image.size.width, image.size.height)
    func value(_ x: Int, _ y: Int, _ channel: Int) -> Int {
      Int(image[min(max(y, 0), height - 1), min(max(x, 0), width - 1), channel])
    }
    var gradients: [(x: Int, y: Int)] = []
    for y in 0..<height {
      for x in 0..<width {
        var best: (x: Int, y: Int)?
        for channel in (0..<image.channels).reversed() {
          var (gx, gy) = (0, 0)
          for (step, weight) in [(-1, 1), (0, 2), (1, 1)] {
            gx += weight * (value(x + 1, y + step, channel) - value(x - 1, y + step, channel))
            gy += weight * (value(x + step, y + 1, channel) - value(x + step, y - 1, channel))
          }
          if let held = best, abs(gx) + abs(gy) <= abs(held.x) + abs(held.y) { continue }
          best = (gx, gy)
        }
        gradients.append(best ?? (0, 0))
      }
    }
    func magnitude(_ x: Int, _ y: Int) -> Int {
      guard (0..<width).contains(x), (0..<height).contains(y) else { return 0 }
      return abs(gradients[y * width + x].x) + abs(gradients[y * width + x].y)
    }
    func isMaximum(_ x: Int, _ y: Int) -> Bool {
      let center = magnitude(x, y)
      let (gx, gy) = gradients[y * width + x]
      guard center > low else { return false }
      let (scaledY, tangent) = (abs(gy) << 15, abs(gx) * 13573)
      if scaledY < tangent { return center > magnitude(x - 1, y) && center >= magnitude(x + 1, y) }
      if scaledY > tangent + abs(gx) << 16 { return center > magnitude(x, y - 1) && center >= magnitude(x, y + 1) }
      let step = (gx < 0) != (gy < 0) ? -1 : 1
      return center > magnitude(x - step, y - 1) && center > magnitude(x + step, y + 1)
    }
    var edges = Image(image.size, channels: 1)
    var pending: [(Int, Int)] = []
    for y in 0..<height {
      for x in 0..<width where magnitude(x, y) > high && isMaximum(x, y) { pending.append((x, y)) }
    }
    while let (x, y) = pending.popLast() {
      guard (0..<width).contains(x), (0..<height).contains(y), edges[y, x, 0] == 0, isMaximum(x, y) else { continue }
      edges.pixels[y * width + x] = 255
      for dy in -1...1 { for dx in -1...1 { pending.append((x + dx, y + dy)) } }
    }
    return edges
  }
}
