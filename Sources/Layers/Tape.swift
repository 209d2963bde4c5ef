import Microkernels
import System
import Tensors

/// The tape of one forward pass (reverse-mode automatic differentiation).
///
/// In training, an operation computes its value and records a closure that turns the gradient of its output into those
/// of its inputs and parameters. `backward()` runs the closures last to first and releases each, with the tensors that
/// it saved, after it has run.
package final class Tape {
  /// PyTorch's `train()` and `eval()`.
  package enum Mode: Sendable {
    /// Batch norm uses batch statistics; operations are recorded.
    case training
    /// Batch norm uses running statistics; nothing is recorded or saved.
    case evaluation
  }

  package let mode: Mode
  /// Of activations with more than one channel and of their gradients. Parameters, their gradients, statistics and sums
  /// are in single precision.
  package let precision: Precision
  package let workers: WorkerPool
  /// Sums over the images that batch norm normalizes together: the global batch, for synchronized batch norm.
  package let crossReplicaSum: any CrossReplicaSum
  /// If not nil, batch norm divides this rank's images into so many groups of consecutive images and normalizes each
  /// with its own statistics, and leaves the running statistics to `ParameterStore.updateRunningStatistics`.
  package let batchNormGroups: Int?
  /// Collects time and memory of every operation, if set.
  package let profile: Profile?
  /// Records the memory of saved activations, if there is a profile.
  private var activationMemory: ActivationMemoryRecorder?
  /// Records the interval of every operation, if set.
  package let timeline: Timeline?
  /// Collects the operations of an evaluation, for export to another format, if set.
  package let trace: Trace?
  /// When the previous operation ended.
  private var lastEnd = 0.0
  /// Size of the largest tensor of a row tile, in floats (`Tape+RowTiles.swift`).
  let tileFloats: Int
  private var operations: [() -> Void] = []
  private let onGradientReady: (Parameter) -> Void

  /// - Parameters:
  ///   - tileFloats: size of the largest tensor of a row tile in evaluation, in floats.
  ///   - onGradientReady: called during `backward()` with each parameter as soon as its gradient is final, like the
  ///     gradient hooks of PyTorch's `DistributedDataParallel`.
  package init(
    _ mode: Mode, precision: Precision = .float32, workers: WorkerPool,
    crossReplicaSum: any CrossReplicaSum = SingleReplica(),
    batchNormGroups: Int? = nil, profile: Profile? = nil, timeline: Timeline? = nil, trace: Trace? = nil,
    tileFloats: Int = 16 << 20,
    onGradientReady: @escaping (Parameter) -> Void = { _ in }
  ) {
    precondition(trace == nil || mode == .evaluation, "a trace is of an evaluation")
    self.mode = mode
    self.precision = precision
    self.workers = workers
    self.crossReplicaSum = crossReplicaSum
    self.batchNormGroups = batchNormGroups
    self.profile = profile
    self.timeline = timeline
    self.trace = trace
    if timeline != nil { lastEnd = Clock.now }
    self.tileFloats = tileFloats
    self.onGradientReady = onGradientReady
    activationMemory = mode == .training ? profile.map(ActivationMemoryRecorder.init) : nil
  }

  /// Records an operation and returns its output.
  ///
  /// Nothing is recorded in evaluation, nor for an operation without parameters of which no input needs a gradient.
  ///
  /// - Parameters:
  ///   - part: of the profile that the operation belongs to.
  ///   - value: the output.
  ///   - inputs: the activations that the output was computed from.
  ///   - parameters: those whose gradients `backward` computes.
  ///   - saved: how later operations read the output in the backward pass; stored, unless given.
  ///   - backward: computes the parameters' gradients and adds to those of the inputs. It owns the gradient of the
  ///     output and may overwrite it.
  func record(
    _ part: Profile.Part, _ value: Tensor, from inputs: [Activation], parameters: [Parameter] = [],
    saved: SavedTensor? = nil, backward: @escaping (_ gradient: Tensor) -> Void
  ) -> Activation {
    guard mode == .training, !parameters.isEmpty || inputs.contains(where: { $0.gradient != nil }) else {
      return Activation(value)
    }
    let name = timeline == nil ? "" : parameters.first?.layer ?? part.rawValue
    addForwardEvent(name)
    let accumulator = GradientAccumulator()
    let saved = saved ?? SavedTensor(value)
    activationMemory?.watch(saved, part: part, name: parameters.first?.name)
    operations.append { [onGradientReady, timeline] in
      guard let gradient = accumulator.take() else {
        preconditionFailure("an output has no gradient because the loss does not use it: \(parameters.map(\.name))")
      }
      timeline.measure(name) { backward(gradient) }
      for parameter in parameters { onGradientReady(parameter) }
    }
    return Activation(value, gradient: accumulator, saved: saved)
  }

  /// Adds an operation that has just ended to the timeline; it began when the previous one ended.
  private func addForwardEvent(_ name: String) {
    guard let timeline else { return }
    let now = Clock.now
    timeline.add(Timeline.Event(name: name, track: .compute, begin: lastEnd, end: now))
    lastEnd = now
  }

  /// Runs the backward pass, last operation first. The gradients of the network's outputs must have been added to their
  /// accumulators.
  package func backward() {
    activationMemory?.willBeginBackward()
    while let operation = operations.popLast() { operation() }
  }
}
