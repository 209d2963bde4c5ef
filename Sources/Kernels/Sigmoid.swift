import Tensors

/// The logistic function, `y = 1 / (1 + e⁻ˣ)`.
package enum Sigmoid {
  /// - Returns: `1 / (1 + e⁻ˣ)`, of the shape of `x`.
  package static func forward(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let y = Tensor(x.shape)
    forEachVector(of: x.shape, on: workers) { index, padding in
      let value = 1 / (1 + VectorMath.exp(-x.start.vector(index)))
      y.start.store(value.replacing(with: 0, where: padding), index)
    }
    return y
  }

  /// dL/dx = dL/dy · y · (1 − y).
  package static func gradient(_ dy: Tensor, output y: Tensor, on workers: WorkerPool) -> Tensor {
    precondition(dy.shape == y.shape)
    let dx = Tensor(y.shape)
    forEachVector(of: y.shape, on: workers) { index, _ in
      let value = y.start.vector(index)
      dx.start.store(dy.start.vector(index) * (value * (1 - value)), index)
    }
    return dx
  }

  /// Calls `body` with the index of each vector and the lanes of it that are padding. Only the last vector of a tensor
  /// overhangs, for which buffers have room.
  @inline(__always)
  private static func forEachVector(
    of shape: Shape, on workers: WorkerPool, _ body: (_ index: Int, _ padding: SIMDMask<SIMD8<Int32>>) -> Void
  ) {
    let grain = 1 << 14
    let vectorsPerPixel = shape.stride / 8
    let padding = VectorMath.lanes(from: shape.channels - (vectorsPerPixel - 1) * 8)
    let none = SIMDMask<SIMD8<Int32>>(repeating: false)
    let dense = shape.stride == shape.channels
    workers.parallelFor((shape.count + grain - 1) / grain) { task, _ in
      var index = task * grain
      let end = min(shape.count, index + grain)
      while index < end {
        body(index, dense || (index / 8 + 1) % vectorsPerPixel != 0 ? none : padding)
        index += 8
      }
    }
  }
}
