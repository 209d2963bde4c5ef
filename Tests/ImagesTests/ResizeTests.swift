import Images
import Testing

@Suite("Resizing")
struct ResizeTests {
  @Test("By a factor, results are OpenCV's, to the bit")
  func references() throws {
    let image = try Fixtures.rgb("image")
    #expect(try Resize.bilinear(image, by: 0.5) == Fixtures.rgb("image_half_linear"))
    #expect(try Resize.bilinear(image, by: 2) == Fixtures.rgb("image_double_linear"))
    let labels = try Fixtures.gray("labelTrainIds")
    #expect(try Resize.nearest(labels, by: 0.5) == Fixtures.gray("labelTrainIds_half_nearest"))
    #expect(try Resize.nearest(labels, by: 2) == Fixtures.gray("labelTrainIds_double_nearest"))
    let tiles = try Fixtures.rgb("tiles")
    #expect(try Resize.bilinear(tiles, by: 1.25) == Fixtures.rgb("tiles_1.25_linear"))
    #expect(try Resize.nearest(tiles, by: 0.75) == Fixtures.rgb("tiles_0.75_nearest"))
  }

  @Test("To a width and a height, results are OpenCV's, to the bit")
  func sizes() throws {
    let tiles = try Fixtures.rgb("tiles")
    #expect(try Resize.bilinear(tiles, width: 53, height: 40) == Fixtures.rgb("tiles_53x40_linear"))
    #expect(try Resize.nearest(tiles, width: 53, height: 40) == Fixtures.rgb("tiles_53x40_nearest"))
  }

  @Test("Sides are rounded, halves to the even number")
  func scaled() {
    #expect(Resize.scaled(131, by: 0.5) == 66)
    #expect(Resize.scaled(197, by: 0.5) == 98)
    #expect(Resize.scaled(5, by: 0.3) == 2)
    #expect(Resize.scaled(1, by: 0.3) == 1)
    #expect(Resize.scaled(2048, by: 2) == 4096)
  }

  @Test(
    "Bilinear is within a gray level of the formula, nearest is exact",
    arguments: [(1, 1), (2, 1), (3, 5), (16, 9), (31, 17)], [0.5, 0.7, 1, 1.5, 2, 3])
  func formula(size: (Int, Int), factor: Double) {
    for channels in [1, 3] {
      let image = Image.noise(size.0, size.1, channels: channels, seed: 8)
      let (linear, nearest) = (Resize.bilinear(image, by: factor), Resize.nearest(image, by: factor))
      let (width, height) = (Resize.scaled(size.0, by: factor), Resize.scaled(size.1, by: factor))
      #expect((linear.width, linear.height) == (width, height))
      #expect((nearest.width, nearest.height) == (width, height))
      // A size that stays as it is means no resampling.
      let step = (width, height) == size ? 1 : 1 / factor
      var worst = 0.0
      for y in 0..<height {
        for x in 0..<width {
          let (fromX, fromY) = (min(Int(Double(x) * step), size.0 - 1), min(Int(Double(y) * step), size.1 - 1))
          let placeX = min(max((Double(x) + 0.5) * step - 0.5, 0), Double(size.0 - 1))
          let placeY = min(max((Double(y) + 0.5) * step - 0.5, 0), Double(size.1 - 1))
          let (left, top) = (Int(placeX), Int(placeY))
          let (right, bottom) = (min(left + 1, size.0 - 1), min(top + 1, size.1 - 1))
          let (shareX, shareY) = (placeX - Double(left), placeY - Double(top))
          for channel in 0..<channels {
            #expect(nearest[x, y, channel] == image[fromX, fromY, channel])
            let upper =
              Double(image[left, top, channel]) * (1 - shareX) + Double(image[right, top, channel]) * shareX
            let lower =
              Double(image[left, bottom, channel]) * (1 - shareX) + Double(image[right, bottom, channel]) * shareX
            worst = max(worst, abs(upper * (1 - shareY) + lower * shareY - Double(linear[x, y, channel])))
          }
        }
      }
      #expect(worst <= 1)
    }
  }

  @Test("A window of the result is cut out of the whole result", arguments: [0.5, 0.75, 1, 1.3, 2], [1, 3])
  func windows(factor: Double, channels: Int) {
    let image = Image.noise(37, 23, channels: channels, seed: 9)
    let (linear, nearest) = (Resize.bilinear(image, by: factor), Resize.nearest(image, by: factor))
    for window in [
      Image.Rect(x: 0, y: 0, width: linear.width, height: linear.height),
      Image.Rect(x: 3, y: 2, width: linear.width - 3, height: linear.height - 2),
      Image.Rect(x: linear.width - 1, y: linear.height - 1, width: 1, height: 1),
      Image.Rect(x: 5, y: 4, width: 7, height: 6),
    ] {
      #expect(Resize.bilinear(image, by: factor, window: window) == linear.cropped(to: window))
      #expect(Resize.nearest(image, by: factor, window: window) == nearest.cropped(to: window))
    }
  }

  @Test("A window is made of its source alone", arguments: [0.5, 0.75, 1, 1.02, 1.3, 2], [1, 3])
  func sources(factor: Double, channels: Int) {
    let image = Image.noise(37, 23, channels: channels, seed: 10)
    let (width, height) = (Resize.scaled(37, by: factor), Resize.scaled(23, by: factor))
    for (x, y) in [(0, 0), (1, 0), (3, 2), (4, 5), (width - 6, height - 5)] {
      let window = Image.Rect(x: x, y: y, width: 6, height: 5)
      let source = Resize.source(of: window, width: 37, height: 23, by: factor)
      // All that is not the source becomes something else.
      var other = Image.noise(37, 23, channels: channels, seed: 11)
      for row in source.y..<source.y + source.height {
        for at in (row * 37 + source.x) * channels..<(row * 37 + source.x + source.width) * channels {
          other.pixels[at] = image.pixels[at]
        }
      }
      #expect(
        Resize.bilinear(image, by: factor, window: window) == Resize.bilinear(other, by: factor, window: window))
      #expect(
        Resize.nearest(image, by: factor, window: window) == Resize.nearest(other, by: factor, window: window))
    }
  }
}
