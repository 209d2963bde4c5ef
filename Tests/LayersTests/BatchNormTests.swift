import Layers
import Tensors
import Testing

/// Two ranks that hold the same images.
private struct TwoEqualRanks: CrossReplicaSum {
  func sum(_ values: inout [Double]) { for index in values.indices { values[index] *= 2 } }
}

@Suite("Batch norm layer")
struct BatchNormTests {
  private let workers = WorkerPool(threads: 1)
  private let store = ParameterStore()
  private let norm: BatchNorm
  /// Two channels: 0 … 5, and 10 times the squares.
  private let input = Tensor(Shape(2, 1, 3, 2), dense: (0..<6).flatMap { [Float($0), Float(10 * $0 * $0)] })
  private let means: [Float] = [2.5, 550.0 / 6]
  /// Sums of squared deviations.
  private let deviations: [Float] = [17.5, 97_900 - 550 * 550 / 6]

  init() {
    norm = BatchNorm(store.root / "bn", channels: 2)
    store.allocate(seed: 0)
  }

  private var mean: [Float] { store.statistics[0].value.values }
  private var variance: [Float] { store.statistics[1].value.values }
  private var batches: [Int64] {
    store.entries.compactMap { if case .counter(let counter) = $0 { counter.value } else { nil } }
  }

  @Test("Running statistics are moving averages of batch mean and unbiased variance; batches are counted")
  func runningStatistics() {
    #expect(mean == [0, 0])
    #expect(variance == [1, 1])
    #expect(batches == [0])
    _ = norm(Activation(input), in: Tape(.training, workers: workers))
    for channel in 0..<2 {
      #expect(isClose(mean[channel], 0.1 * means[channel]))
      #expect(isClose(variance[channel], 0.9 + 0.1 * deviations[channel] / 5))
    }
    let first = (mean: mean, variance: variance)
    _ = norm(Activation(input), in: Tape(.training, workers: workers))
    for channel in 0..<2 {
      #expect(isClose(mean[channel], 0.9 * first.mean[channel] + 0.1 * means[channel]))
      #expect(isClose(variance[channel], 0.9 * first.variance[channel] + 0.1 * deviations[channel] / 5))
    }
    #expect(batches == [2])
  }

  @Test("Statistics are those of the global batch, with the unbiased variance of its pixel count")
  func synchronized() {
    _ = norm(Activation(input), in: Tape(.training, workers: workers, crossReplicaSum: TwoEqualRanks()))
    for channel in 0..<2 {
      #expect(isClose(mean[channel], 0.1 * means[channel]))
      #expect(isClose(variance[channel], 0.9 + 0.1 * 2 * deviations[channel] / 11))
    }
    #expect(batches == [1])
  }

  @Test("Evaluation normalizes with the running statistics and does not change them")
  func evaluation() {
    store.statistics[0].value[1] = 100
    store.statistics[1].value[1] = 16
    store.parameters[0].value[1] = 2
    store.parameters[1].value[1] = -3
    let output = norm(Activation(input), relu: false, in: Tape(.evaluation, workers: workers)).value
    for pixel in 0..<6 {
      let value = Float(10 * pixel * pixel)
      #expect(isClose(output.start[pixel * output.shape.stride + 1], (value - 100) / 4 * 2 - 3))
    }
    #expect(mean == [0, 100])
    #expect(variance == [1, 16])
    #expect(batches == [0])
  }

  private func isClose(_ a: Float, _ b: Float) -> Bool { abs(a - b) <= 1e-5 * max(1, abs(b)) }
}
