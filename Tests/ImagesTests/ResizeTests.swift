import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Resizing")
struct ResizeTests {
  @Test("Results are bit-identical to OpenCV's")
  func references() throws {
    let image = try ImageFixtures.rgb("image")
    #expect(try Resize.bilinear(image, by: 0.5) == ImageFixtures.rgb("image_half_linear"))
    #expect(try Resize.bilinear(image, by: 2) == ImageFixtures.rgb("image_double_linear"))
    let labels = try ImageFixtures.gray("labelTrainIds")
    #expect(try Resize.nearest(labels, by: 0.5) == ImageFixtures.gray("labelTrainIds_half_nearest"))
    #expect(try Resize.nearest(labels, by: 2) == ImageFixtures.gray("labelTrainIds_double_nearest"))
    let tiles = try ImageFixtures.rgb("tiles")
    #expect(try Resize.bilinear(tiles, by: 1.25) == ImageFixtures.rgb("tiles_1.25_linear"))
    #expect(try Resize.nearest(tiles, by: 0.75) == ImageFixtures.rgb("tiles_0.75_nearest"))
  }

  @Test("By any factor, the results have OpenCV's size and bits")
  func anyFactor() throws {
    let (image, labels) = (try ImageFixtures.rgb("image"), try ImageFixtures.gray("labelTrainIds"))
    let references = try AugmentationReferences.shared.get().resized
    #expect(references.count == 15)
    for reference in references {
      let linear = Resize.bilinear(image, by: reference.factor)
      #expect(linear.size == Size(reference.height, reference.width))
      #expect(linear.digest == reference.linear, "bilinear by \(reference.factor)")
      #expect(
        Resize.nearest(labels, by: reference.factor).digest == reference.nearest, "nearest by \(reference.factor)")
    }
  }

  @Test("Sides are rounded, halves to even")
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
      let image = Image.noise(size.1, size.0, channels: channels, seed: 8)
      let (linear, nearest) = (Resize.bilinear(image, by: factor), Resize.nearest(image, by: factor))
      let scaled = Resize.scaled(image.size, by: factor)
      #expect(linear.size == scaled && nearest.size == scaled)
      // If the size does not change, there is no resampling.
      let step = scaled == image.size ? 1 : 1 / factor
      var worst = 0.0
      for y in 0..<scaled.height {
        for x in 0..<scaled.width {
          let (fromX, fromY) = (min(Int(Double(x) * step), size.0 - 1), min(Int(Double(y) * step), size.1 - 1))
          let sourceX = min(max((Double(x) + 0.5) * step - 0.5, 0), Double(size.0 - 1))
          let sourceY = min(max((Double(y) + 0.5) * step - 0.5, 0), Double(size.1 - 1))
          let (left, top) = (Int(sourceX), Int(sourceY))
          let (right, bottom) = (min(left + 1, size.0 - 1), min(top + 1, size.1 - 1))
          let (fractionX, fractionY) = (sourceX - Double(left), sourceY - Double(top))
          for channel in 0..<channels {
            #expect(nearest[y, x, channel] == image[fromY, fromX, channel])
            let upper =
              Double(image[top, left, channel]) * (1 - fractionX) + Double(image[top, right, channel]) * fractionX
            let lower =
              Double(image[bottom, left, channel]) * (1 - fractionX) + Double(image[bottom, right, channel]) * fractionX
            worst = max(worst, abs(upper * (1 - fractionY) + lower * fractionY - Double(linear[y, x, channel])))
          }
        }
      }
      #expect(worst <= 1)
    }
  }

  @Test(
    "A window of the result equals that part of the whole result",
    arguments: [0.3, 0.5, 0.6, 0.75, 1, 1.3, 1.81, 2], [1, 3])
  func windows(factor: Double, channels: Int) {
    let image = Image.noise(23, 37, channels: channels, seed: 9)
    let (linear, nearest) = (Resize.bilinear(image, by: factor), Resize.nearest(image, by: factor))
    for window in [
      Image.Rect(linear.size), Image.Rect(x: 3, y: 2, Size(linear.size.height - 2, linear.size.width - 3)),
      Image.Rect(x: linear.size.width - 1, y: linear.size.height - 1, Size(1, 1)), Image.Rect(x: 4, y: 1, Size(6, 7)),
    ] {
      #expect(Resize.bilinear(image, by: factor, window: window) == linear.cropped(to: window))
      #expect(Resize.nearest(image, by: factor, window: window) == nearest.cropped(to: window))
    }
  }

  @Test(
    "A window depends on its source alone",
    arguments: [0.27, 0.3, 0.4, 0.5, 0.6, 0.67, 0.7, 0.75, 0.9, 1, 1.02, 1.3, 1.81, 2, 3.7], [1, 3])
  func sources(factor: Double, channels: Int) {
    let image = Image.noise(23, 37, channels: channels, seed: 10)
    let scaled = Resize.scaled(image.size, by: factor)
    let corners = [
      (0, 0), (1, 0), (2, 1), (3, 2), (4, 5), (5, 3), (scaled.width - 6, scaled.height - 5),
    ]
    for (x, y) in corners where x + 5 <= scaled.width && y + 5 <= scaled.height {
      let window = Image.Rect(x: x, y: y, Size(min(5, scaled.height - y), min(6, scaled.width - x)))
      let source = Resize.source(of: window, in: image.size, by: factor)
      // Everything outside the source is different.
      var other = Image.noise(23, 37, channels: channels, seed: 11)
      for row in source.rows {
        for index in (row * 37 + source.x) * channels..<(row * 37 + source.columns.upperBound) * channels {
          other.pixels[index] = image.pixels[index]
        }
      }
      #expect(
        Resize.bilinear(image, by: factor, window: window) == Resize.bilinear(other, by: factor, window: window))
      #expect(
        Resize.nearest(image, by: factor, window: window) == Resize.nearest(other, by: factor, window: window))
    }
  }

  @Test("For looking at, a pixel is the mean of the area that it covers", arguments: [1, 3])
  func mean(channels: Int) {
    let image = Image.noise(7, 11, channels: channels, seed: 3)
    #expect(Resize.mean(image, to: image.size) == image)
    for size in [Size(3, 4), Size(7, 2), Size(1, 1), Size(14, 22), Size(9, 30), Size(5, 16)] {
      let result = Resize.mean(image, to: size)
      #expect(result.size == size)
      for y in 0..<size.height {
        for x in 0..<size.width {
          for channel in 0..<channels {
            // Each pixel as size.height × size.width equal parts.
            var sum = 0
            for row in y * 7..<(y + 1) * 7 {
              for column in x * 11..<(x + 1) * 11 {
                sum += Int(image[row / size.height, column / size.width, channel])
              }
            }
            let expected = Double(sum) / 77
            #expect(abs(Double(result[y, x, channel]) - expected) <= 0.501)
          }
        }
      }
    }
    let large = Image(Size(2, 3), channels: channels, filledWith: 255)
    #expect(Resize.mean(large, to: Size(301, 7)) == Image(Size(301, 7), channels: channels, filledWith: 255))
  }

  @Test("A width and a box keep the proportions of an image, and at least a pixel")
  func proportions() {
    #expect(Resize.size(Size(1024, 2048), width: 300) == Size(150, 300))
    #expect(Resize.size(Size(1, 5000), width: 10) == Size(1, 10))
    #expect(Resize.size(Size(1024, 2048), fitting: Size(240, 240)) == Size(120, 240))
    #expect(Resize.size(Size(2048, 1024), fitting: Size(240, 240)) == Size(240, 120))
    #expect(Resize.size(Size(5000, 1), fitting: Size(240, 240)) == Size(240, 1))
  }
}
