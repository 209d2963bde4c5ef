import Tensors

/// The rectified linear unit that stands without a batch norm before it: `y = max(x, 0)`.
package enum Rectifier {
  /// Floats of a task: small enough that its parts stay in cache, large enough that handing it out costs nothing.
  private static let grain = 1 << 15

  /// - Returns: `max(x, 0)`, of the shape of `x`.
  package static func forward(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let y = Tensor(x.shape)
    overVectors(of: x.shape.count, on: workers) { index in
      y.start.store(rectified(x.start.vector(index)), index)
    }
    return y
  }

  /// dL/dx = dL/dy where y > 0, else 0. Overwrites `dy` with it.
  package static func gradient(_ dy: Tensor, output y: Tensor, on workers: WorkerPool) -> Tensor {
    overVectors(of: y.shape.count, on: workers) { index in
      dy.start.store(dy.start.vector(index).replacing(with: 0, where: y.start.vector(index) .<= 0), index)
    }
    return dy
  }

  /// Calls `body` with the index of each vector; the last may overhang, for which buffers have room.
  @inline(__always)
  private static func overVectors(of count: Int, on workers: WorkerPool, _ body: (Int) -> Void) {
    workers.run((count + grain - 1) / grain) { task, _ in
      var index = task * grain
      let end = min(count, index + grain)
      while index < end {
        body(index)
        index += 8
      }
    }
  }
}
