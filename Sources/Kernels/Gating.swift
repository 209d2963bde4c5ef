import Tensors

/// Features let through by an attention of one channel (§3.1, equation 2): `y = feature · (1 + a)`.
package enum Gating {
  /// Pixels of a task.
  private static let grain = 1024

  /// - Parameters:
  ///   - feature: `[N, H, W, C]`, C at least 2.
  ///   - attention: `[N, H, W, 1]`.
  /// - Returns: `feature · (1 + attention)`, `[N, H, W, C]`.
  package static func forward(_ feature: Tensor, _ attention: Tensor, on workers: WorkerPool) -> Tensor {
    check(feature, attention)
    let stride = feature.shape.stride
    let y = Tensor(feature.shape)
    overRuns(of: feature.shape, on: workers) { first, count in
      microkernels.gate(
        feature.start + first * stride, rows: count, width: stride, by: attention.start + first,
        into: y.start + first * stride)
    }
    return y
  }

  /// dL/dfeature = dL/dy · (1 + a) and dL/da = Σ dL/dy · feature over the channels.
  package static func gradient(
    _ dy: Tensor, _ feature: Tensor, _ attention: Tensor, on workers: WorkerPool
  ) -> (feature: Tensor, attention: Tensor) {
    check(feature, attention)
    precondition(dy.shape == feature.shape)
    let stride = feature.shape.stride
    let ofFeature = Tensor(feature.shape)
    let ofAttention = Tensor(attention.shape)
    overRuns(of: feature.shape, on: workers) { first, count in
      microkernels.gateGradient(
        dy.start + first * stride, feature.start + first * stride, rows: count, width: stride,
        by: attention.start + first, feature: ofFeature.start + first * stride, attention: ofAttention.start + first)
    }
    return (ofFeature, ofAttention)
  }

  private static func check(_ feature: Tensor, _ attention: Tensor) {
    precondition(feature.shape.channels > 1 && attention.shape == feature.shape.with(channels: 1))
  }

  private static func overRuns(of shape: Shape, on workers: WorkerPool, _ body: (_ first: Int, _ count: Int) -> Void) {
    workers.parallelFor((shape.pixels + grain - 1) / grain) { task, _ in
      body(task * grain, min(grain, shape.pixels - task * grain))
    }
  }
}
