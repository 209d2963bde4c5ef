import Kernels
import Tensors
import Testing

@Suite("Concatenation")
struct ConcatenationTests {
  static let channels = [[32, 1], [1, 1], [256, 48], [3], [33, 2, 1, 7], [8, 16, 8], [5, 19]]

  private func parts(_ channels: [Int]) -> [Tensor] {
    channels.enumerated().map { randomTensor("part \($0)", Shape(3, 5, 7, $1)) }
  }

  @Test("Joins channels without padding in between, and splits them again", arguments: channels)
  func roundTrip(channels: [Int]) {
    let workers = WorkerPool(threads: 2)
    let parts = parts(channels)
    let joined = Concatenation.join(parts, on: workers)
    var expected: [Float] = []
    for pixel in 0..<parts[0].shape.pixels {
      for (part, count) in zip(parts, channels) {
        for channel in 0..<count { expected.append(part.dense[pixel * count + channel]) }
      }
    }
    #expect(joined.shape == Shape(3, 5, 7, channels.reduce(0, +)))
    #expect(joined.dense == expected)
    let split = Concatenation.split(joined, into: channels, on: workers)
    #expect(split.map(\.shape) == parts.map(\.shape))
    #expect(split.map(\.dense) == parts.map(\.dense))
  }

  @Test("Results do not depend on the threads or on the other images", arguments: channels)
  func reproducible(channels: [Int]) {
    expectReproducible(parts(channels)) { parts, workers in
      let joined = Concatenation.join(parts, on: workers)
      return [joined] + Concatenation.split(joined, into: channels, on: workers)
    }
  }
}
