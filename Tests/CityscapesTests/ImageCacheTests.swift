import Cityscapes
import Foundation
import ImageFixtures
import Images
import Synchronization
import Tensors
import Testing

/// A cache in the memory of this process.
final class LocalCache: ImageCache, @unchecked Sendable {
  // Unchecked for the memory: only the claimer of a slot writes it, and only published slots are read.

  private enum State { case empty, claimed, published }

  let capacity: Int
  private let count: Int
  private let memory: UnsafeMutableRawPointer
  private let states: Mutex<[State]>

  init(slots: Int, pixels: Int, classes: Int = Label.classCount) {
    count = slots
    capacity = (Self.slotBytes(pixels: pixels, classes: classes) + 63) / 64 * 64
    memory = .allocate(byteCount: max(slots, 1) * capacity, alignment: 64)
    states = Mutex([State](repeating: .empty, count: slots))
  }

  deinit { memory.deallocate() }

  func contents(of index: Int) -> UnsafeRawPointer? {
    let isPublished = index < count && states.withLock { $0[index] == .published }
    return isPublished ? UnsafeRawPointer(memory + index * capacity) : nil
  }

  func claim(_ index: Int) -> UnsafeMutableRawPointer? {
    guard index < count else { return nil }
    return states.withLock { states in
      guard states[index] == .empty else { return nil }
      states[index] = .claimed
      return memory + index * capacity
    }
  }

  func publish(_ index: Int) { states.withLock { $0[index] = .published } }
  func release(_ index: Int) { states.withLock { $0[index] = .empty } }

  var published: Int { states.withLock { $0.count { $0 == .published } } }
}

@Suite("The image cache", .timeLimit(.minutes(1))) struct ImageCacheTests {
  private let wanted = [[3, 1], [0, 5], [4, 2], [1, 3], [0, 0]]

  private func load(
    _ samples: [SamplePaths], _ cache: LocalCache?, epoch: Int, threads: Int = 1
  ) throws -> (batches: [Batch], statistics: Loader.Statistics) {
    let loader = Loader(
      samples: samples, batches: wanted, transform: .augmented(seed: 9, epoch: epoch, crop: Size(24, 40)),
      threads: threads, cache: cache)
    var batches: [Batch] = []
    while let batch = try loader.next() { batches.append(batch) }
    return (batches, loader.statistics)
  }

  @Test("changes no bit of any batch, whether all images have a slot, some, or none", arguments: [0, 2, 6], [1, 3])
  func sameBatches(slots: Int, threads: Int) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let cache = LocalCache(slots: slots, pixels: 64 * 32)
    for epoch in 0..<3 {
      let (plain, _) = try load(samples, nil, epoch: epoch)
      let (cached, _) = try load(samples, cache, epoch: epoch, threads: threads)
      #expect(cached.count == wanted.count)
      for (left, right) in zip(plain, cached) {
        #expect(left.image.dense == right.image.dense)
        #expect(left.canny.dense == right.canny.dense)
        #expect(left.target == right.target)
        #expect(left.boundary == right.boundary)
        #expect(left.indices == right.indices)
      }
    }
    #expect(cache.published == slots)
  }

  @Test("Each image that has a slot is decoded once, the others every time")
  func decodedOnce() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let cache = LocalCache(slots: 4, pixels: 64 * 32)
    let first = try load(samples, cache, epoch: 0).statistics
    // 4 and 5 have no slot; 0, 1 and 3 occur more than once.
    #expect((first.decoded, first.cached) == (6, 4))
    let second = try load(samples, cache, epoch: 1).statistics
    #expect((second.decoded, second.cached) == (2, 8))
  }

  @Test("A slot that stays claimed blocks no reader")
  func lostClaim() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let cache = LocalCache(slots: 6, pixels: 64 * 32)
    #expect(cache.claim(3) != nil)
    #expect(try load(samples, cache, epoch: 0).batches.count == wanted.count)
    #expect(cache.published == 5)
  }

  @Test("An image that cannot be read, or is larger than a slot, leaves its slot empty")
  func notKept() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let small = LocalCache(slots: 6, pixels: 64 * 32 - 20)
    #expect(try load(samples, small, epoch: 0).statistics.decoded == 10)
    #expect(small.published == 0)

    let cache = LocalCache(slots: 6, pixels: 64 * 32)
    try truncate(samples[1].boundary)
    #expect(throws: ImageError.self) { try load(samples, cache, epoch: 0) }
    #expect(cache.contents(of: 1) == nil && cache.claim(1) != nil)
  }
}
