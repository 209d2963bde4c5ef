import Glibc
import Microkernels
import Tensors

// Elementwise operations, forward beside backward. Kernels may write past the last float of a tensor up to a whole
// vector: buffers have room for it.

/// Floats of a task: few enough that its operands stay in cache, enough to be worth starting.
private let grain = 1 << 15

/// Adds gradients of a tensor that several operations read.
package enum Accumulation {
  /// `a += b` in the memory of `a`; both `[N, H, W, C]`.
  package static func addInPlace(_ a: Tensor, _ b: Tensor, on workers: WorkerPool) {
    precondition(a.shape == b.shape && a.precision == b.precision)
    let microkernels = workers.microkernels
    workers.forEachChunk(of: a.shape.count, grain: grain) { chunk, _ in
      microkernels.add(b.elements + chunk.lowerBound, to: a.elements + chunk.lowerBound, count: chunk.count)
    }
  }
}

extension Accumulation {
  /// `a += k · b` in the memory of `a`; both `[N, H, W, C]`.
  package static func addInPlace(_ a: Tensor, _ b: Tensor, times k: Float, on workers: WorkerPool) {
    precondition(a.shape == b.shape)
    workers.forEachChunk(of: a.shape.count, grain: grain) { chunk, _ in
      for index in stride(from: chunk.lowerBound, to: chunk.upperBound, by: 8) {
        a.start.store(a.start.vector(index) + b.start.vector(index) * k, index)
      }
    }
  }
}

/// The rectified linear unit without a batch norm before it: `y = max(x, 0)`.
package enum ReLU {
  /// - Returns: `max(x, 0)`, of the shape of `x`.
  package static func forward(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    let y = Tensor(x.shape, x.precision)
    let microkernels = workers.microkernels
    workers.forEachChunk(of: x.shape.count, grain: grain) { chunk, _ in
      microkernels.relu(x.elements + chunk.lowerBound, into: y.elements + chunk.lowerBound, count: chunk.count)
    }
    return y
  }

  /// dL/dx = dL/dy where y > 0, else 0. Overwrites `dy` with it.
  package static func gradient(_ dy: Tensor, output y: Tensor, on workers: WorkerPool) -> Tensor {
    let microkernels = workers.microkernels
    workers.forEachChunk(of: y.shape.count, grain: grain) { chunk, _ in
      let first = chunk.lowerBound
      microkernels.reluGradient(
        dy.elements + first, where: y.elements + first, into: dy.elements + first, count: chunk.count)
    }
    return dy
  }
}

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

  /// Calls `body` with the index of each vector and its padding lanes. Only the last vector of a single-channel tensor
  /// may extend past its end.
  @inline(__always)
  private static func forEachVector(
    of shape: Shape, on workers: WorkerPool, _ body: (_ index: Int, _ padding: SIMDMask<SIMD8<Int32>>) -> Void
  ) {
    let vectorsPerPixel = shape.stride / 8
    let padding = VectorMath.lanes(from: shape.channels - (vectorsPerPixel - 1) * 8)
    let none = SIMDMask<SIMD8<Int32>>(repeating: false)
    let dense = shape.stride == shape.channels
    workers.forEachChunk(of: shape.count, grain: 1 << 14) { chunk, _ in
      for index in stride(from: chunk.lowerBound, to: chunk.upperBound, by: 8) {
        body(index, dense || (index / 8 + 1) % vectorsPerPixel != 0 ? none : padding)
      }
    }
  }
}

/// A feature gated by an attention map of one channel (§3.1, equation 2): `y = feature · (1 + a)`.
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
    let y = Tensor(feature.shape, feature.precision)
    let microkernels = workers.microkernels
    workers.forEachChunk(of: feature.shape.pixels, grain: grain) { pixels, _ in
      let first = pixels.lowerBound
      microkernels.gate(
        feature.elements + first * stride, rows: pixels.count, width: stride, by: attention.start + first,
        into: y.elements + first * stride)
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
    let featureGradient = Tensor(feature.shape, feature.precision)
    let attentionGradient = Tensor(attention.shape)
    let microkernels = workers.microkernels
    workers.forEachChunk(of: feature.shape.pixels, grain: grain) { pixels, _ in
      let first = pixels.lowerBound
      microkernels.gateGradient(
        dy.elements + first * stride, feature.elements + first * stride, rows: pixels.count, width: stride,
        by: attention.start + first, feature: featureGradient.elements + first * stride,
        attention: attentionGradient.start + first)
    }
    return (featureGradient, attentionGradient)
  }

  private static func check(_ feature: Tensor, _ attention: Tensor) {
    precondition(feature.shape.channels > 1 && attention.shape == feature.shape.with(channels: 1))
  }
}

/// Concatenation of the channels of several tensors, without the padding of each: 32 and 1 make 33, not 40 + 1.
package enum Concatenation {
  /// - Parameter parts: `[N, H, W, C₁]`, `[N, H, W, C₂]`, …
  /// - Returns: `[N, H, W, C₁ + C₂ + …]`, the channels in the order of the parts.
  package static func join(_ parts: [Tensor], _ precision: Precision = .float32, on workers: WorkerPool) -> Tensor {
    precondition(!parts.isEmpty)
    let channels = parts.map(\.shape.channels)
    let shape = parts[0].shape.with(channels: channels.reduce(0, +))
    precondition(parts.allSatisfy { $0.shape.with(channels: 1) == shape.with(channels: 1) })
    let joined = Tensor(shape, precision)
    workers.forEachChunk(of: shape.pixels, grain: grain(shape)) { pixels, _ in
      clearPadding(of: joined, pixels)
      var offset = 0
      for (part, count) in zip(parts, channels) {
        copy(
          count, of: pixels, from: part.elements, part.shape.stride, to: joined.elements + offset, shape.stride)
        offset += count
      }
    }
    return joined
  }

  /// The backward pass: splits a gradient into those of the parts.
  ///
  /// - Parameter channels: C₁, C₂, … of the parts.
  /// - Returns: the gradients, in the precision of dy.
  package static func split(_ dy: Tensor, into channels: [Int], on workers: WorkerPool) -> [Tensor] {
    precondition(channels.reduce(0, +) == dy.shape.channels)
    let parts = channels.map { Tensor(dy.shape.with(channels: $0), dy.precision) }
    workers.forEachChunk(of: dy.shape.pixels, grain: grain(dy.shape)) { pixels, _ in
      var offset = 0
      for (part, count) in zip(parts, channels) {
        clearPadding(of: part, pixels)
        copy(
          count, of: pixels, from: dy.elements + offset, dy.shape.stride, to: part.elements, part.shape.stride)
        offset += count
      }
    }
    return parts
  }

  /// Pixels of a task, about 16 KiB: the parts of a pixel are still in cache when the next part is copied.
  private static func grain(_ shape: Shape) -> Int { max(16, (1 << 12) / shape.stride) }

  /// Copies `count` channels of some pixels.
  private static func copy(
    _ count: Int, of pixels: Range<Int>, from source: ElementPointer, _ sourceStride: Int, to target: ElementPointer,
    _ targetStride: Int
  ) {
    switch (source.precision, target.precision) {
    case (.float32, .float32):
      copy(count, pixels, source.elements(Float.self), sourceStride, target.elements(Float.self), targetStride)
    case (.float32, .bfloat16):
      copy(count, pixels, source.elements(Float.self), sourceStride, target.elements(BFloat16.self), targetStride)
    case (.bfloat16, .float32):
      copy(count, pixels, source.elements(BFloat16.self), sourceStride, target.elements(Float.self), targetStride)
    case (.bfloat16, .bfloat16):
      copy(count, pixels, source.elements(BFloat16.self), sourceStride, target.elements(BFloat16.self), targetStride)
    }
  }

  @inline(__always)
  private static func copy<E: Element, F: Element>(
    _ count: Int, _ pixels: Range<Int>, _ source: Elements<E>, _ sourceStride: Int, _ target: Elements<F>,
    _ targetStride: Int
  ) {
    for pixel in pixels {
      let (source, target) = (source + pixel * sourceStride, target + pixel * targetStride)
      var channel = 0
      while channel + 8 <= count {
        target.store(source.vector(channel), channel)
        channel += 8
      }
      while channel < count {
        target[channel] = source[channel]
        channel += 1
      }
    }
  }

  /// Clears the last vector of each pixel if it holds padding; its channels are written afterwards.
  @inline(__always)
  private static func clearPadding(of tensor: Tensor, _ pixels: Range<Int>) {
    let stride = tensor.shape.stride
    if stride == tensor.shape.channels { return }
    let bytes = 8 * tensor.precision.size
    for pixel in pixels { memset((tensor.elements + ((pixel + 1) * stride - 8)).address, 0, bytes) }
  }
}
