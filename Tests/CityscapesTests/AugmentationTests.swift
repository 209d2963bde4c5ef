import Cityscapes
import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Augmentation") struct AugmentationTests {
  private let image = Size(131, 197)

  private func sample() throws -> Sample {
    Sample(
      index: 0, image: try ImageFixtures.rgb("image"), trainIds: try ImageFixtures.gray("labelTrainIds"),
      canny: try ImageFixtures.gray("canny_10_100"), boundary: try ImageFixtures.gray("boundary"))
  }

  private func batch(_ augmentation: Augmentation, crop: Size) throws -> Batch {
    Batch([(try sample(), augmentation)], crop: crop, normalization: .imagenet)
  }

  /// ImageNet normalization.
  private func normalized(_ byte: UInt8, _ channel: Int) -> Float {
    let (mean, deviation): ([Float], [Float]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return (Float(byte) / 255 - mean[channel]) / deviation[channel]
  }

  @Test(
    "Resized images and labels equal OpenCV's",
    arguments: [(0.5, "half"), (2, "double")])
  func resized(scale: Double, name: String) throws {
    let colors = try ImageFixtures.rgb("image_\(name)_linear")
    let labels = try ImageFixtures.gray("labelTrainIds_\(name)_nearest")
    #expect(Resize.scaled(image, by: scale) == colors.size)
    let batch = try batch(Augmentation(scale: scale, row: 0, column: 0, flip: false), crop: colors.size)
    #expect(batch.target == labels.pixels)
    let expected = colors.pixels.enumerated().map { normalized($1, $0 % 3) }
    #expect(batch.image.dense == expected)
  }

  @Test("A crop holds its part of the resized image, flipped or not", arguments: [false, true])
  func crop(flip: Bool) throws {
    for scale in [0.4, 0.5, 0.73, 1, 1.37, 2] {
      let whole = try batch(
        Augmentation(scale: scale, row: 0, column: 0, flip: false), crop: Resize.scaled(image, by: scale))
      let (row, column, crop) = (9, 21, Size(40, 51))  // of 52×79 pixels at the smallest scale
      let part = try batch(Augmentation(scale: scale, row: row, column: column, flip: flip), crop: crop)
      let width = whole.image.shape.width
      for y in 0..<crop.height {
        for x in 0..<crop.width {
          let (from, to) = ((row + y, column + x), flip ? crop.width - 1 - x : x)
          let (pixel, source) = (y * crop.width + to, from.0 * width + from.1)
          try #require(part.target[pixel] == whole.target[source])
          try #require(part.boundary[pixel] == whole.boundary[source])
          try #require(part.canny[0, y, to, 0] == whole.canny[0, from.0, from.1, 0])
          for c in 0..<3 { try #require(part.image[0, y, to, c] == whole.image[0, from.0, from.1, c]) }
        }
      }
    }
  }

  @Test(
    "Beyond the image there are zeros, ignored labels and no edges; channel padding is zero",
    arguments: [false, true])
  func padding(flip: Bool) throws {
    let crop = Size(150, 200)
    let batch = try batch(Augmentation(scale: 1, row: 0, column: 0, flip: flip), crop: crop)
    for y in 0..<crop.height {
      for x in 0..<crop.width {
        let pixel = y * crop.width + (flip ? crop.width - 1 - x : x)
        let values = batch.image.start + pixel * 8
        for channel in 3..<8 { try #require(values[channel] == 0) }
        guard y >= image.height || x >= image.width else { continue }
        for channel in 0..<3 { try #require(values[channel] == 0) }
        try #require(batch.target[pixel] == Label.ignored)
        try #require(batch.boundary[pixel] == 0)
        try #require(batch.canny.start[pixel] == 0)
      }
    }
  }

  @Test(
    "Colors and blur change the image inside the crop alone: neither padding, labels nor edges",
    arguments: [false, true])
  func colors(flip: Bool) throws {
    let crop = Size(150, 220)
    var augmentation = Augmentation(scale: 1.1, row: 10, column: 0, flip: flip)
    let plain = try batch(augmentation, crop: crop)
    augmentation.colors = [.contrast(1.3), .hue(-9)]
    augmentation.blur = 0.9
    let changed = try batch(augmentation, crop: crop)
    #expect(plain.target == changed.target && plain.boundary == changed.boundary)
    #expect(plain.canny.dense == changed.canny.dense)

    // What a crop without padding holds, changed as a whole.
    let resized = Resize.bilinear(try ImageFixtures.rgb("image"), by: 1.1)
    var expected = resized.cropped(to: Image.Rect(x: 0, y: 10, Size(134, 217)))
    for change in augmentation.colors { expected.apply(change) }
    expected = GaussianBlur.blurred(expected, sigma: 0.9)
    for y in 0..<crop.height {
      for x in 0..<crop.width {
        let isPadding = y >= 134 || x >= 217
        for c in 0..<3 {
          let value = changed.image[0, y, flip ? crop.width - 1 - x : x, c]
          try #require(value == (isPadding ? 0 : normalized(expected[y, x, c], c)))
        }
      }
    }
  }

  @Test("Edges and boundaries are 0 or 1, as in the files")
  func binary() throws {
    let sample = try sample()
    let batch = Batch(whole: sample, normalization: .imagenet)
    #expect(batch.image.shape == Shape(1, 131, 197, 3))
    #expect(batch.canny.dense == sample.canny.pixels.map { $0 == 0 ? 0 : 1 })
    #expect(batch.boundary == sample.boundary.pixels.map { $0 == 0 ? 0 : 1 })
    #expect(batch.canny.dense.contains(1) && batch.boundary.contains(1))
    #expect(batch.target == sample.trainIds.pixels)
  }

  @Test("A random augmentation is a function of seed, epoch and sample, and depends on each")
  func function() {
    func random(_ seed: UInt64, _ epoch: Int, _ index: Int) -> Augmentation {
      .random(seed: seed, epoch: epoch, index: index, image: Size(1024, 2048), crop: Size(512, 512))
    }
    #expect(random(1, 2, 3) == random(1, 2, 3))
    #expect(random(1, 2, 3) != random(2, 2, 3))
    #expect(random(1, 2, 3) != random(1, 3, 3))
    #expect(random(1, 2, 3) != random(1, 2, 4))
  }

  @Test("Factors, flips and positions are uniform, and every crop lies in its image")
  func distribution() {
    let (count, crop) = (6000, Size(100, 160))
    var (scales, flips, rows) = ([0, 0, 0], 0, [Int: Int]())
    for index in 0..<count {
      let augmentation = Augmentation.random(seed: 1, epoch: 0, index: index, image: image, crop: crop)
      scales[[0.5: 0, 1: 1, 2: 2][augmentation.scale] ?? 3] += 1
      flips += augmentation.flip ? 1 : 0
      let resized = Resize.scaled(image, by: augmentation.scale)
      #expect((0...max(resized.height - crop.height, 0)).contains(augmentation.row))
      #expect((0...max(resized.width - crop.width, 0)).contains(augmentation.column))
      if augmentation.scale == 1 { rows[augmentation.row, default: 0] += 1 }
    }
    // Five standard deviations of a binomial distribution.
    for scale in scales { #expect(abs(scale - count / 3) < 183) }
    #expect(abs(flips - count / 2) < 194)
    #expect(rows.count == 32, "all 131 − 100 + 1 rows occur")
    #expect(rows.values.allSatisfy { abs($0 - scales[1] / 32) < 40 })
  }
}
