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
    overPixels(of: feature.shape, on: workers) { pixel in
      let factor = Vector(repeating: 1 + attention.start[pixel])
      let source = feature.start + pixel * stride
      let target = y.start + pixel * stride
      var channel = 0
      while channel < stride {
        target.store(source.vector(channel) * factor, channel)
        channel += 8
      }
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
    overPixels(of: feature.shape, on: workers) { pixel in
      let factor = Vector(repeating: 1 + attention.start[pixel])
      let incoming = dy.start + pixel * stride
      let source = feature.start + pixel * stride
      let target = ofFeature.start + pixel * stride
      var sum = Vector.zero
      var channel = 0
      while channel < stride {
        let value = incoming.vector(channel)
        target.store(value * factor, channel)
        sum = multiplyAdd(value, source.vector(channel), sum)
        channel += 8
      }
      ofAttention.start[pixel] = VectorMath.sum(sum)
    }
    return (ofFeature, ofAttention)
  }

  private static func check(_ feature: Tensor, _ attention: Tensor) {
    precondition(feature.shape.channels > 1 && attention.shape == feature.shape.with(channels: 1))
  }

  @inline(__always)
  private static func overPixels(of shape: Shape, on workers: WorkerPool, _ body: (_ pixel: Int) -> Void) {
    workers.run((shape.pixels + grain - 1) / grain) { task, _ in
      for pixel in task * grain..<min(shape.pixels, (task + 1) * grain) { body(pixel) }
    }
  }
}
