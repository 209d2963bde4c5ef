import GatedSCNN
import Kernels
import Layers
import Tensors

/// A model whose weights are an exponential moving average (EMA) of those of the model in training, batch norm's running
/// statistics included:
///
///     average ← average + max(1/n, 1 − decay) · (weights − average)     after update n = 1, 2, …
///
/// so that the first updates give their plain mean, in which the initial weights have no part.
package final class AverageModel {
  package let model: GatedSCNN
  package let decay: Double
  /// The updates in the average.
  package var updates = 0

  private let source: ParameterStore

  /// - Parameter model: a network like that of `source`; overwritten by the first update.
  package init(_ model: GatedSCNN, of source: ParameterStore, decay: Double) {
    self.model = model
    self.source = source
    self.decay = decay
  }

  /// Adds the current weights to the average.
  package func update(on workers: WorkerPool) {
    updates += 1
    let fraction = max(1 / Double(updates), 1 - decay)
    for (average, values) in [(model.store.values, source.values), (model.store.running, source.running)] {
      if updates == 1 {
        average.copy(from: values)
      } else {
        MovingAverageKernel.update(average, with: values, fraction: Float(fraction), on: workers)
      }
    }
    for (counter, value) in zip(model.store.counters, source.counters) { counter.value = value.value }
  }
}
