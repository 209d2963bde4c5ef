import Tensors

/// The rectified linear unit that stands without a batch norm before it: `y = max(x, 0)`.
package enum ReLU {
  /// Floats of a task: small enough that its parts stay in cache, large enough that handing it out costs nothing.
  private static let grain = 1 << 15

  /// - Returns: `max(x, 0)`, of the shape of `x`.
  package static func forward(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let y = Tensor(x.shape)
    overRuns(of: x.shape.count, on: workers) { first, count in
      microkernels.relu(x.start + first, into: y.start + first, count: count)
    }
    return y
  }

  /// dL/dx = dL/dy where y > 0, else 0. Overwrites `dy` with it.
  package static func gradient(_ dy: Tensor, output y: Tensor, on workers: WorkerPool) -> Tensor {
    overRuns(of: y.shape.count, on: workers) { first, count in
      microkernels.reluGradient(dy.start + first, where: y.start + first, into: dy.start + first, count: count)
    }
    return dy
  }

  /// Calls `body` with each run of floats; the last vector may overhang, for which buffers have room.
  private static func overRuns(of count: Int, on workers: WorkerPool, _ body: (_ first: Int, _ count: Int) -> Void) {
    workers.parallelFor((count + grain - 1) / grain) { task, _ in body(task * grain, min(grain, count - task * grain)) }
  }
}
