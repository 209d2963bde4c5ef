import Layers
import Tensors
import Testing

/// Another rank that holds the same images.
private struct Twin: CrossReplicaSum {
  var ranks: Int { 2 }
  func sum(_ values: inout [Double]) { for index in values.indices { values[index] *= 2 } }
}

@Suite("Batch norm")
struct BatchNormalizationTests {
  private let workers = WorkerPool(threads: 1)
  private let store = ParameterStore()
  private let norm: BatchNorm
  /// Two channels: 0 … 5, and 10 times their squares.
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

  @Test("Running statistics go a tenth of the way to the batch's mean and unbiased variance; batches are counted")
  func following() {
    #expect(mean == [0, 0])
    #expect(variance == [1, 1])
    #expect(batches == [0])
    _ = norm(Activation(input), in: Tape(.training, workers: workers))
    for channel in 0..<2 {
      #expect(near(mean[channel], 0.1 * means[channel]))
      #expect(near(variance[channel], 0.9 + 0.1 * deviations[channel] / 5))
    }
    let first = (mean: mean, variance: variance)
    _ = norm(Activation(input), in: Tape(.training, workers: workers))
    for channel in 0..<2 {
      #expect(near(mean[channel], 0.9 * first.mean[channel] + 0.1 * means[channel]))
      #expect(near(variance[channel], 0.9 * first.variance[channel] + 0.1 * deviations[channel] / 5))
    }
    #expect(batches == [2])
  }

  @Test("The batch is that of all ranks: its variance is unbiased by the count over all")
  func acrossRanks() {
    _ = norm(Activation(input), in: Tape(.training, workers: workers, reduction: Twin()))
    for channel in 0..<2 {
      #expect(near(mean[channel], 0.1 * means[channel]))
      #expect(near(variance[channel], 0.9 + 0.1 * 2 * deviations[channel] / 11))
    }
    #expect(batches == [1])
  }

  @Test("Evaluation normalizes by the running statistics and leaves them alone")
  func evaluation() {
    store.statistics[0].value[1] = 100
    store.statistics[1].value[1] = 16
    store.parameters[0].value[1] = 2
    store.parameters[1].value[1] = -3
    let output = norm(Activation(input), relu: false, in: Tape(.evaluation, workers: workers)).value
    for pixel in 0..<6 {
      let value = Float(10 * pixel * pixel)
      #expect(near(output.start[pixel * output.shape.stride + 1], (value - 100) / 4 * 2 - 3))
    }
    #expect(mean == [0, 100])
    #expect(variance == [1, 16])
    #expect(batches == [0])
  }

  private func near(_ a: Float, _ b: Float) -> Bool { abs(a - b) <= 1e-5 * max(1, abs(b)) }
}
