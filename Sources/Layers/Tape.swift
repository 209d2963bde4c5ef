import System
import Tensors

/// One way of a batch through the network and, in training, back.
///
/// An operation computes its value and records how to turn the gradient of its output into those of its inputs and
/// parameters. `backward()` runs the records last to first and drops each when it has run, and with it whatever it kept.
package final class Tape {
  package enum Mode: Sendable {
    /// Batch norm over the batch; every operation can be gone back.
    case training
    /// Batch norm from running statistics; nothing is kept.
    case evaluation
  }

  package let mode: Mode
  package let workers: WorkerPool
  /// Sums over the global batch, for batch norm.
  package let reduction: any CrossReplicaSum
  /// Takes the time and the memory of every operation, where somebody wants to know.
  package let profile: Profile?
  private var activationMemory: ActivationMemoryRecorder?
  /// Notes when every operation ran, where somebody wants to see.
  package let timeline: Timeline?
  /// When the operation before ended.
  private var lastEnd = 0.0
  /// FloatSlice that a tensor has about, where evaluation goes in bands (`Tape+RowTiles.swift`).
  let tileFloats: Int
  private var steps: [() -> Void] = []
  private let onGradientReady: (Parameter) -> Void

  /// - Parameter onGradientReady: told during `backward()` of each parameter whose gradient is final.
  package init(
    _ mode: Mode, workers: WorkerPool, reduction: any CrossReplicaSum = SingleReplica(), profile: Profile? = nil,
    timeline: Timeline? = nil, tileFloats: Int = 16 << 20, onGradientReady: @escaping (Parameter) -> Void = { _ in }
  ) {
    self.mode = mode
    self.workers = workers
    self.reduction = reduction
    self.profile = profile
    self.timeline = timeline
    if timeline != nil { lastEnd = Clock.now }
    self.tileFloats = tileFloats
    self.onGradientReady = onGradientReady
    activationMemory = mode == .training ? profile.map(ActivationMemoryRecorder.init) : nil
  }

  /// An operation's output.
  ///
  /// - Parameters:
  ///   - inputs: the activations it was made from; where none of them wants a gradient and `parameters` is empty, nothing is recorded.
  ///   - parameters: those whose gradients the step fills.
  ///   - kept: how the backward pass will see the value; as it is, unless something else is said.
  ///   - back: fills the parameters' gradients and adds to the inputs' traces, given the gradient of the output, which it owns.
  func output(
    _ part: Profile.Part, _ value: Tensor, from inputs: [Activation], parameters: [Parameter] = [],
    kept: SavedTensor? = nil, back: @escaping (_ gradient: Tensor) -> Void
  ) -> Activation {
    guard mode == .training, !parameters.isEmpty || inputs.contains(where: { $0.trace != nil }) else {
      return Activation(value)
    }
    let name = timeline == nil ? "" : parameters.first?.layer ?? part.rawValue
    noteForward(name)
    let trace = GradientAccumulator()
    let kept = kept ?? SavedTensor(value)
    activationMemory?.watch(kept, part: part, name: parameters.first?.name)
    steps.append { [onGradientReady, timeline] in
      // Without a gradient the output had no part in the loss.
      guard let gradient = trace.take() else {
        preconditionFailure("an output without a gradient: \(parameters.map(\.name))")
      }
      timeline.measure(name) { back(gradient) }
      for parameter in parameters { onGradientReady(parameter) }
    }
    return Activation(value, trace: trace, kept: kept)
  }

  /// An operation has just run: it took the time since the one before.
  private func noteForward(_ name: String) {
    guard let timeline else { return }
    let now = Clock.now
    timeline.add(Timeline.Event(name: name, track: .compute, begin: lastEnd, end: now))
    lastEnd = now
  }

  /// Runs the backward pass, last operation first. The gradients of the network's outputs must have been added to their traces.
  package func backward() {
    activationMemory?.willBeginBackward()
    while let step = steps.popLast() { step() }
  }
}
