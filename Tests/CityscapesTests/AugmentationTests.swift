import Cityscapes
import Images
import Tensors
import Testing

@Suite("Augmentation") struct AugmentationTests {
  private let image = Size(131, 197)

  private func sample() throws -> Sample {
    Sample(
      index: 0, image: try PNG.read(Fixture.path("image.png"), as: .rgb),
      trainIds: try PNG.read(Fixture.path("labelTrainIds.png"), as: .gray),
      canny: try PNG.read(Fixture.path("canny_10_100.png"), as: .gray),
      boundary: try PNG.read(Fixture.path("boundary.png"), as: .gray))
  }

  private func batch(_ augmentation: Augmentation, crop: Size) throws -> Batch {
    Batch([(try sample(), augmentation)], crop: crop)
  }

  /// A normalized value by the book.
  private func normalized(_ byte: UInt8, _ channel: Int) -> Float {
    let (mean, deviation): ([Float], [Float]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return (Float(byte) / 255 - mean[channel]) / deviation[channel]
  }

  @Test(
    "Resized images and labels are those of OpenCV",
    arguments: [(Augmentation.Scale.half, "half"), (.double, "double")])
  func resized(scale: Augmentation.Scale, name: String) throws {
    let colors = try PNG.read(Fixture.path("image_\(name)_linear.png"), as: .rgb)
    let labels = try PNG.read(Fixture.path("labelTrainIds_\(name)_nearest.png"), as: .gray)
    #expect(scale.resized(image) == Size(colors.height, colors.width))
    let batch = try batch(
      Augmentation(scale: scale, row: 0, column: 0, flip: false), crop: Size(colors.height, colors.width))
    #expect(batch.target == labels.pixels)
    let expected = colors.pixels.enumerated().map { normalized($1, $0 % 3) }
    #expect(batch.image.dense == expected)
  }

  @Test("A crop shows its part of the resized image, flipped or not", arguments: [false, true])
  func crop(flip: Bool) throws {
    for scale in Augmentation.Scale.allCases {
      let whole = try batch(
        Augmentation(scale: scale, row: 0, column: 0, flip: false), crop: scale.resized(image))
      let (row, column, crop) = (9, 21, Size(40, 51))
      let part = try batch(Augmentation(scale: scale, row: row, column: column, flip: flip), crop: crop)
      let width = whole.image.shape.width
      for y in 0..<crop.height {
        for x in 0..<crop.width {
          let (from, to) = ((row + y, column + x), flip ? crop.width - 1 - x : x)
          let (place, source) = (y * crop.width + to, from.0 * width + from.1)
          try #require(part.target[place] == whole.target[source])
          try #require(part.boundary[place] == whole.boundary[source])
          try #require(part.canny[0, y, to, 0] == whole.canny[0, from.0, from.1, 0])
          for c in 0..<3 { try #require(part.image[0, y, to, c] == whole.image[0, from.0, from.1, c]) }
        }
      }
    }
  }

  @Test(
    "Beyond the image are zeros, ignored labels and no edges; the padding of channels is zero",
    arguments: [false, true])
  func padding(flip: Bool) throws {
    let crop = Size(150, 200)
    let batch = try batch(Augmentation(scale: .one, row: 0, column: 0, flip: flip), crop: crop)
    for y in 0..<crop.height {
      for x in 0..<crop.width {
        let place = y * crop.width + (flip ? crop.width - 1 - x : x)
        let pixel = batch.image.start + place * 8
        for lane in 3..<8 { try #require(pixel[lane] == 0) }
        guard y >= image.height || x >= image.width else { continue }
        for lane in 0..<3 { try #require(pixel[lane] == 0) }
        try #require(batch.target[place] == 255)
        try #require(batch.boundary[place] == 0)
        try #require(batch.canny.start[place] == 0)
      }
    }
  }

  @Test("Edges and boundaries are 0 or 1, as the files have them")
  func binary() throws {
    let sample = try sample()
    let batch = Batch(whole: sample)
    #expect(batch.image.shape == Shape(1, 131, 197, 3))
    #expect(batch.canny.dense == sample.canny.pixels.map { $0 == 0 ? 0 : 1 })
    #expect(batch.boundary == sample.boundary.pixels.map { $0 == 0 ? 0 : 1 })
    #expect(batch.canny.dense.contains(1) && batch.boundary.contains(1))
    #expect(batch.target == sample.trainIds.pixels)
  }

  @Test("What is drawn depends on seed, epoch and sample, and on each of them")
  func function() {
    func random(_ seed: UInt64, _ epoch: Int, _ index: Int) -> Augmentation {
      .random(seed: seed, epoch: epoch, index: index, image: Size(1024, 2048), crop: Size(512, 512))
    }
    #expect(random(1, 2, 3) == random(1, 2, 3))
    #expect(random(1, 2, 3) != random(2, 2, 3))
    #expect(random(1, 2, 3) != random(1, 3, 3))
    #expect(random(1, 2, 3) != random(1, 2, 4))
  }

  @Test("Factors, flips and places are drawn evenly, and every crop lies in its image")
  func distribution() {
    let (count, crop) = (6000, Size(100, 160))
    var (scales, flips, rows) = ([0, 0, 0], 0, [Int: Int]())
    for index in 0..<count {
      let drawn = Augmentation.random(seed: 1, epoch: 0, index: index, image: image, crop: crop)
      scales[drawn.scale.rawValue] += 1
      flips += drawn.flip ? 1 : 0
      let resized = drawn.scale.resized(image)
      #expect((0...max(resized.height - crop.height, 0)).contains(drawn.row))
      #expect((0...max(resized.width - crop.width, 0)).contains(drawn.column))
      if drawn.scale == .one { rows[drawn.row, default: 0] += 1 }
    }
    // Five standard deviations of a binomial distribution.
    for scale in scales { #expect(abs(scale - count / 3) < 183) }
    #expect(abs(flips - count / 2) < 194)
    #expect(rows.count == 32, "all 131 − 100 + 1 rows are drawn")
    #expect(rows.values.allSatisfy { abs($0 - scales[1] / 32) < 40 })
  }
}
