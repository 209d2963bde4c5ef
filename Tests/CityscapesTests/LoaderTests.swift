import Cityscapes
import Foundation
import ImageFixtures
import Images
import Tensors
import Testing

@Suite("The loader", .serialized, .timeLimit(.minutes(1))) struct LoaderTests {
  private let transform = Loader.Transform.augmented(seed: 9, epoch: 2, crop: Size(24, 40))

  private func batches(_ loader: Loader) throws -> [Batch] {
    var batches: [Batch] = []
    while let batch = try loader.next() { batches.append(batch) }
    return batches
  }

  private func expectEqual(_ left: Batch, _ right: Batch) {
    #expect(left.indices == right.indices)
    #expect(left.image.shape == right.image.shape)
    #expect(left.image.dense == right.image.dense)
    #expect(left.canny.dense == right.canny.dense)
    #expect(left.target == right.target)
    #expect(left.boundary == right.boundary)
  }

  @Test(
    "returns batches in order, the same for any number of threads and any prefetch",
    arguments: [(1, 1), (3, 2), (4, 5)])
  func ordered(threads: Int, prefetch: Int) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let wanted = [[3, 1], [0, 5], [4, 2], [1, 3]]
    let loader = Loader(samples: samples, batches: wanted, transform: transform, threads: threads, prefetch: prefetch)
    let loaded = try batches(loader)
    #expect(loaded.map(\.indices) == wanted)
    #expect(try loader.next() == nil)
    for batch in loaded {
      let expected = try batch.indices.map { index in
        let sample = try Sample.read(samples[index], index: index)
        let augmentation = Augmentation.random(
          seed: 9, epoch: 2, index: index, image: Size(32, 64), crop: Size(24, 40))
        return (sample, augmentation)
      }
      expectEqual(batch, Batch(expected, crop: Size(24, 40), normalization: .imagenet))
    }
  }

  @Test("The shares of all ranks, concatenated, are the batch of a single rank")
  func shares() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    func batches(ofRank rank: Int, of ranks: Int) throws -> [Batch] {
      let sampler = try DistributedBatchSampler(samples: 6, batchSize: 3, ranks: ranks, order: .shuffled(seed: 1))
      return try self.batches(
        Loader(samples: samples, batches: sampler.shares(of: rank, epoch: 2), transform: transform, threads: 2))
    }
    let whole = try batches(ofRank: 0, of: 1)
    let parts = [try batches(ofRank: 0, of: 2), try batches(ofRank: 1, of: 2)]
    #expect(whole.count == 2)
    for step in 0..<2 {
      #expect(parts.flatMap { $0[step].indices } == whole[step].indices)
      #expect(parts.flatMap { $0[step].image.dense } == whole[step].image.dense)
      #expect(parts.flatMap { $0[step].canny.dense } == whole[step].canny.dense)
      #expect(parts.flatMap { $0[step].target } == whole[step].target)
      #expect(parts.flatMap { $0[step].boundary } == whole[step].boundary)
    }
  }

  @Test("The normalization half maps bytes to numbers from -1 to 1")
  func normalization() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 1)
    let loader = Loader(samples: samples, batches: [[0]], transform: .whole, normalization: .half)
    let sample = try Sample.read(samples[0], index: 0)
    let batch = try #require(try batches(loader).first)
    expectEqual(batch, Batch(whole: sample, normalization: .half))
    #expect(batch.image.dense == sample.image.pixels.map { (Float($0) / 255 - 0.5) / 0.5 })
    #expect(batch.image.dense != Batch(whole: sample, normalization: .imagenet).image.dense)
  }

  @Test("returns whole images of different sizes, and crops without augmentation")
  func transforms() throws {
    let (folder, other) = (try TemporaryFolder(), try TemporaryFolder())
    let samples = try folder.preprocessedStreets(train: 1) + other.preprocessedStreets(train: 1, width: 80, height: 48)
    let whole = try batches(Loader(samples: samples, batches: [[0], [1]], transform: .whole, threads: 2))
    #expect(whole.map(\.image.shape) == [Shape(1, 32, 64, 3), Shape(1, 48, 80, 3)])
    expectEqual(whole[1], Batch(whole: try Sample.read(samples[1], index: 1), normalization: .imagenet))
    let cropped = try batches(Loader(samples: samples, batches: [[0, 1]], transform: .cropped(to: Size(40, 70))))
    let expected = try samples.enumerated().map { (try Sample.read($1, index: $0), Augmentation.none) }
    expectEqual(cropped[0], Batch(expected, crop: Size(40, 70), normalization: .imagenet))
  }

  @Test("A damaged file is thrown at its own batch, with its path, and again at each call", arguments: [1, 3])
  func failure(threads: Int) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    try truncate(samples[4].image)
    let loader = Loader(
      samples: samples, batches: [[0, 1], [2, 3], [4, 5], [0, 1]], transform: transform, threads: threads, prefetch: 4)
    #expect(try loader.next()?.indices == [0, 1])
    #expect(try loader.next()?.indices == [2, 3])
    for _ in 0..<2 {
      let error = #expect(throws: ImageError.self) { try loader.next() }
      #expect(error?.path == samples[4].image)
      #expect(error?.problem.contains("truncated") == true)
    }
    loader.stop()
    #expect(try loader.next() == nil)
  }

  @Test("Of two damaged files the one needed first is thrown", arguments: 0..<8)
  func firstFailure(repetition: Int) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 3)
    try truncate(samples[1].image)
    try FileManager.default.removeItem(atPath: samples[2].image)
    let loader = Loader(samples: samples, batches: [[0], [1], [2]], transform: .whole, threads: 3, prefetch: 3)
    #expect(try loader.next() != nil)
    let error = #expect(throws: ImageError.self) { try loader.next() }
    #expect(error?.path == samples[1].image)
  }

  /// The number of loader threads in this process. A thread reports its end a moment before it ends.
  private func threads(expecting expected: Int) throws -> Int {
    var count = 0
    for _ in 0..<200 {
      let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
      count =
        tasks.filter {
          (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "gscnn loader\n"
        }.count
      if count == expected { break }
      Thread.sleep(forTimeInterval: 0.01)
    }
    return count
  }

  @Test("can be stopped or released at any time, and its threads end with it")
  func stopping() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let wanted = [[Int]](repeating: [0, 1, 2, 3, 4, 5], count: 50)
    for taken in 0..<6 {
      let loader = Loader(samples: samples, batches: wanted, transform: transform, threads: 3)
      for _ in 0..<taken { #expect(try loader.next() != nil) }
      let alive = try withExtendedLifetime(loader) { try threads(expecting: 3) }
      #expect(alive == 3)
      if taken % 2 == 0 { loader.stop() }
    }
    #expect(try threads(expecting: 0) == 0)
    let idle = Loader(samples: samples, batches: [], transform: transform, threads: 2)
    #expect(try idle.next() == nil)
    idle.stop()
    idle.stop()
  }

  @Test("reads no further ahead than `prefetch`")
  func bounded() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    // The file of the fourth batch is missing until that batch may be begun.
    let (path, aside) = (samples[3].image, samples[3].image + ".aside")
    try FileManager.default.moveItem(atPath: path, toPath: aside)
    let loader = Loader(samples: samples, batches: [[0], [1], [2], [3]], transform: .whole, threads: 2, prefetch: 2)
    #expect(try loader.next()?.indices == [0])
    Thread.sleep(forTimeInterval: 0.1)
    try FileManager.default.moveItem(atPath: aside, toPath: path)
    #expect(try batches(loader).map(\.indices) == [[1], [2], [3]])
  }

  @Test("measures how long the consumer waits")
  func waiting() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 1)
    let loader = Loader(samples: samples, batches: [[0]], transform: .whole)
    #expect(loader.statistics.secondsWaited == 0)
    let asked = ContinuousClock.now
    _ = try loader.next()
    let took = (ContinuousClock.now - asked) / .seconds(1)
    #expect(loader.statistics.secondsWaited > 0 && loader.statistics.secondsWaited <= took)
  }
}
