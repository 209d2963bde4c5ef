import Tensors

/// One way of a batch through the network and, in training, back.
///
/// An operation computes its value and records how to turn the gradient of its output into those of its inputs and
/// parameters. `backward()` runs the records last to first and drops each when it has run, and with it whatever it kept.
package final class Pass {
  package enum Mode: Sendable {
    /// Batch norm over the batch; every operation can be gone back.
    case training
    /// Batch norm from running statistics; nothing is kept.
    case evaluation
  }

  package let mode: Mode
  package let workers: WorkerPool
  /// Sums over the global batch, for batch norm.
  package let reduction: any BatchReduction
  /// Takes the time of every operation, where somebody wants to know.
  package let profile: Profile?
  /// Notes when every operation ran, where somebody wants to see.
  package let timeline: Timeline?
  /// When the operation before ended.
  private var lastEnd = 0.0
  private var steps: [() -> Void] = []
  private let whenComplete: (Parameter) -> Void

  /// - Parameter whenComplete: told during `backward()` of each parameter whose gradient is final.
  package init(
    _ mode: Mode, workers: WorkerPool, reduction: any BatchReduction = LocalBatch(), profile: Profile? = nil,
    timeline: Timeline? = nil, whenComplete: @escaping (Parameter) -> Void = { _ in }
  ) {
    self.mode = mode
    self.workers = workers
    self.reduction = reduction
    self.profile = profile
    self.timeline = timeline
    if timeline != nil { lastEnd = Profile.now }
    self.whenComplete = whenComplete
  }

  /// An operation's output.
  ///
  /// - Parameters:
  ///   - inputs: the activations it was made from; where none of them wants a gradient and `parameters` is empty, nothing is recorded.
  ///   - parameters: those whose gradients the step fills.
  ///   - name: for the timeline, where there are no parameters to name the operation after.
  ///   - remake: how the backward pass can make the value again, if it can.
  ///   - back: fills the parameters' gradients and adds to the inputs' traces, given the gradient of the output, which it owns.
  func output(
    _ value: Tensor, from inputs: [Activation], parameters: [Parameter] = [], name: String = "",
    remake: (() -> Tensor)? = nil, back: @escaping (_ gradient: Tensor) -> Void
  ) -> Activation {
    guard mode == .training, !parameters.isEmpty || inputs.contains(where: { $0.trace != nil }) else {
      return Activation(value)
    }
    let name = timeline == nil ? "" : parameters.first?.layer ?? name
    noteForward(name)
    let trace = Trace(remake: remake)
    steps.append { [whenComplete, timeline] in
      // Without a gradient the output had no part in the loss.
      guard let gradient = trace.takeGradient() else {
        preconditionFailure("an output without a gradient: \(parameters.map(\.name))")
      }
      timeline.measure(name) { back(gradient) }
      for parameter in parameters { whenComplete(parameter) }
    }
    return Activation(value, trace: trace)
  }

  /// An operation has just run: it took the time since the one before.
  private func noteForward(_ name: String) {
    guard let timeline else { return }
    let now = Profile.now
    timeline.add(Timeline.Event(name: name, track: .compute, begin: lastEnd, end: now))
    lastEnd = now
  }

  /// Goes back, last step first. The gradients of the network's outputs must have been added to their traces.
  package func backward() {
    while let step = steps.popLast() { step() }
  }
}
