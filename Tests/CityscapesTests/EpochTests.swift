import Cityscapes
import Foundation
import ImageFixtures
import Images
import System
import Tensors
import Testing

/// How samples are drawn and augmented, as `make_epochs.py` states it in Python.
private struct EpochReferences: Decodable {
  struct Epoch: Decodable {
    let seed: UInt64
    let epoch: Int
    let fraction: Double
    /// Sample, row and column of the centroid or -1, occurrence.
    let draws: [[Int]]
  }

  struct Case: Decodable {
    let options: String
    let samples: [Sample]
  }

  struct Sample: Decodable {
    let index: Int
    let occurrence: Int
    let centroid: [Int]
    let scale: Double
    let row: Int
    let column: Int
    let flip: Bool
    let colors: [Change]
    let blur: Double
  }

  struct Change: Decodable {
    let kind: String
    let amount: Double

    var colorChange: ColorChange {
      switch kind {
      case "brightness": .brightness(Float(amount))
      case "contrast": .contrast(Float(amount))
      case "saturation": .saturation(Float(amount))
      default: .hue(amount)
      }
    }
  }

  let pixels: [Int]
  let places: [[[Int]]]
  let epochs: [Epoch]
  let cases: [Case]

  static let shared = Result {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/epochs.json")
    return try JSON.decode(EpochReferences.self, from: Data(contentsOf: file))
  }
}

@Suite("Epochs") struct EpochTests {
  private static let (samples, classes) = (23, 9)

  /// Blocks of 8×8 pixels; class 6 occurs in one of them, classes 7 and 8 do not occur.
  private static func labelMap(_ sample: Int) -> Image {
    let (height, width) = (40, 50 + sample)
    let pixels = (0..<height * width).map { index -> UInt8 in
      let (y, x) = (index / width, index % width)
      let value = (y / 8 * 7 + x / 8 * 3 + sample * 5) % 11
      let isRare = value == 6 && sample == 10 && y < 16 && x < 16
      return value < 6 || isRare ? UInt8(value) : 255
    }
    return Image(Size(height, width), channels: 1, pixels: pixels)
  }

  private static let centroids = ClassCentroids(
    (0..<samples).map { SampleClasses(labelMap($0), classes: classes, tile: 16) }, classes: classes)

  private func sampling(_ fraction: Double, seed: UInt64) -> ClassUniformSampling {
    ClassUniformSampling(
      seed: seed,
      drawsPerClass: ClassUniformSampling.drawsPerClass(
        fraction: fraction, samples: Self.samples, classes: Self.classes), centroids: Self.centroids)
  }

  @Test("Class centroids and pixel counts are those of SciPy")
  func centroids() throws {
    let references = try EpochReferences.shared.get()
    #expect(Self.centroids.pixels == references.pixels)
    for (own, expected) in zip(Self.centroids.places, references.places) {
      #expect(own.map { [$0.sample, $0.centroid.row, $0.centroid.column] } == expected)
    }
    #expect(Self.centroids.places.map(\.isEmpty) == [false, false, false, false, false, false, false, true, true])
  }

  @Test("An epoch drawn class by class is that of the rule in Python")
  func classUniform() throws {
    for reference in try EpochReferences.shared.get().epochs {
      let order = Shuffle.classUniform(sampling(reference.fraction, seed: reference.seed))
      let draws = order.draws(epoch: reference.epoch, count: Self.samples)
      let expected = reference.draws.map {
        SampleDraw(
          index: $0[0], occurrence: $0[3], centroid: $0[1] < 0 ? nil : Centroid(row: $0[1], column: $0[2]))
      }
      #expect(draws == expected, "seed \(reference.seed), epoch \(reference.epoch)")
    }
  }

  @Test("Each class that occurs gets its share, in every epoch others, and no slot is drawn twice the same")
  func shares() {
    let order = Shuffle.classUniform(sampling(1, seed: 3))
    let epochs = (0..<4).map { order.draws(epoch: $0, count: Self.samples) }
    #expect(Set(epochs).count == 4)
    for draws in epochs {
      #expect(draws.count == Self.samples)
      #expect(draws.count { $0.centroid != nil } == 2 * 7, "23 / 9 = 2 for each of seven classes")
      #expect(Set(draws.map { [$0.index, $0.occurrence] }).count == Self.samples)
    }
  }

  @Test("Batches of an epoch drawn class by class do not depend on the ranks, and resume after any step")
  func ranks() throws {
    let order = Shuffle.classUniform(sampling(1, seed: 3))
    func shares(_ ranks: Int, from step: Int = 0) throws -> [[SampleDraw]] {
      let sampler = try DistributedBatchSampler(samples: Self.samples, batchSize: 4, ranks: ranks, order: order)
      let parts = (0..<ranks).map { sampler.shares(of: $0, epoch: 2, from: step) }
      return (0..<5 - step).map { step in parts.flatMap { $0[step] } }
    }
    let whole = try shares(1)
    for ranks in [2, 3, 4] { #expect(try shares(ranks) == whole) }
    #expect(try shares(2, from: 3) == Array(whole[3...]))
  }

  @Test("The augmentation of a sample is that of the rule in Python, for each form of the options")
  func augmentations() throws {
    for reference in try EpochReferences.shared.get().cases {
      let words = reference.options.split(separator: " ").map(String.init)
      var options = AugmentationOptions()
      for (option, value) in zip(words, words.dropFirst()) {
        switch option {
        case "--scale": options.scale = try ScaleFactors(parsing: value)
        case "--distort": options.distortion = try ColorDistortion(parsing: value)
        case "--blur": options.blur = try BlurRange(parsing: value)
        default: continue
        }
      }
      for sample in reference.samples {
        var expected = Augmentation(
          scale: sample.scale, row: sample.row, column: sample.column, flip: sample.flip)
        expected.colors = sample.colors.map(\.colorChange)
        expected.blur = sample.blur
        let centroid = sample.centroid.isEmpty ? nil : Centroid(row: sample.centroid[0], column: sample.centroid[1])
        let augmentation = Augmentation.random(
          seed: 5, epoch: 3, index: sample.index, occurrence: sample.occurrence, centroid: centroid,
          image: Size(100, 150), crop: Size(64, 80), options: options)
        #expect(augmentation == expected, "\(reference.options), sample \(sample.index)")
      }
    }
  }

  @Test("An option changes no other random number of a sample")
  func independence() throws {
    func random(_ change: (inout AugmentationOptions) -> Void) -> Augmentation {
      var options = AugmentationOptions()
      change(&options)
      return .random(
        seed: 2, epoch: 1, index: 6, image: Size(100, 150), crop: Size(64, 80), options: options)
    }
    let plain = random { _ in }
    var other = random {
      $0.distortion = ColorDistortion(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 18, probability: 1)
      $0.blur = BlurRange(0.5, 2)
    }
    #expect(other.colors.count == 4 && (0.5..<2).contains(other.blur))
    let hue = random { $0.distortion = ColorDistortion(hue: 18, probability: 1) }.colors
    #expect(hue.count == 1 && other.colors.contains(hue[0]))
    (other.colors, other.blur) = ([], 0)
    #expect(other == plain)
  }

  @Test("A crop contains the centroid it is drawn for, at every place in the crop, and lies in the image")
  func containsCentroid() {
    var options = AugmentationOptions()
    options.scale = .range(low: 0.3, high: 2)
    let (image, crop) = (Size(90, 140), Size(32, 48))
    var (rows, columns): (Set<Int>, Set<Int>) = ([], [])
    for index in 0..<3000 {
      let centroid = Centroid(row: index * 7 % 90, column: index * 11 % 140)
      let augmentation = Augmentation.random(
        seed: 1, epoch: 0, index: index, centroid: centroid, image: image, crop: crop, options: options)
      let resized = Resize.scaled(image, by: augmentation.scale)
      #expect((0...max(resized.height - crop.height, 0)).contains(augmentation.row))
      #expect((0...max(resized.width - crop.width, 0)).contains(augmentation.column))
      let row = min(Int((Double(centroid.row) + 0.5) * augmentation.scale), resized.height - 1) - augmentation.row
      let column =
        min(Int((Double(centroid.column) + 0.5) * augmentation.scale), resized.width - 1) - augmentation.column
      #expect((0..<crop.height).contains(row) && (0..<crop.width).contains(column))
      rows.insert(row)
      columns.insert(column)
    }
    #expect(rows.count == crop.height && columns.count == crop.width)
  }
}

/// The loader with samples that are drawn several times.
@Suite("Repeated samples", .timeLimit(.minutes(1))) struct RepeatedSampleTests {
  @Test("A sample that is drawn again is cropped differently, around its centroid, cached or not, with any threads")
  func occurrences() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 3)
    var options = AugmentationOptions()
    options.scale = .range(low: 0.8, high: 1.9)
    options.distortion = ColorDistortion(brightness: 0.4, hue: 18)
    options.blur = BlurRange(0.15, 1.3)
    let crop = Size(16, 24)
    let batches = [
      [SampleDraw(index: 1), SampleDraw(index: 1, occurrence: 1), SampleDraw(index: 0)],
      [SampleDraw(index: 1, occurrence: 2, centroid: Centroid(row: 30, column: 3)), SampleDraw(index: 2)],
    ]
    func load(threads: Int, cache: LocalCache?) throws -> [Batch] {
      let loader = Loader(
        samples: samples, batches: batches, transform: .augmented(seed: 4, epoch: 1, crop: crop, options),
        threads: threads, cache: cache)
      return try batches.compactMap { _ in try loader.next() }
    }
    let loaded = try load(threads: 1, cache: nil)
    #expect(loaded.map(\.indices) == [[1, 1, 0], [1, 2]])
    for (batch, draws) in zip(loaded, batches) {
      let expected = try draws.map { draw in
        (
          try Sample.read(samples[draw.index], index: draw.index),
          Augmentation.random(
            seed: 4, epoch: 1, index: draw.index, occurrence: draw.occurrence, centroid: draw.centroid,
            image: Size(32, 64), crop: crop, options: options)
        )
      }
      let stated = Batch(expected, crop: crop, normalization: .imagenet)
      #expect(batch.image.dense == stated.image.dense && batch.target == stated.target)
      #expect(Set(expected.map { "\($0.1)" }).count == draws.count)
    }
    for (threads, cache) in [(3, nil), (3, LocalCache(slots: 3, pixels: 64 * 32))] {
      for (batch, other) in zip(loaded, try load(threads: threads, cache: cache)) {
        #expect(batch.image.dense == other.image.dense && batch.target == other.target)
        #expect(batch.canny.dense == other.canny.dense && batch.boundary == other.boundary)
      }
    }
  }
}
