import Tensors

/// The channels of several tensors, one after the other. Each brings its channels without its padding: 32 and 1 make
/// 33, not 40 + 1.
package enum Concatenation {
  /// - Parameter parts: `[N, H, W, C₁]`, `[N, H, W, C₂]`, …
  /// - Returns: `[N, H, W, C₁ + C₂ + …]`, the channels in the order of the parts.
  package static func join(_ parts: [Tensor], on workers: WorkerPool) -> Tensor {
    precondition(!parts.isEmpty)
    let channels = parts.map(\.shape.channels)
    let shape = parts[0].shape.with(channels: channels.reduce(0, +))
    precondition(parts.allSatisfy { $0.shape.with(channels: 1) == shape.with(channels: 1) })
    let joined = Tensor(shape)
    overBlocks(of: shape, on: workers) { pixels in
      clearPadding(of: joined, pixels)
      var offset = 0
      for (part, count) in zip(parts, channels) {
        for pixel in pixels {
          copy(count, from: part.start + pixel * part.shape.stride, to: joined.start + pixel * shape.stride + offset)
        }
        offset += count
      }
    }
    return joined
  }

  /// The backward pass: cuts a gradient into those of the parts.
  ///
  /// - Parameter channels: C₁, C₂, … of the parts.
  package static func split(_ dy: Tensor, into channels: [Int], on workers: WorkerPool) -> [Tensor] {
    precondition(channels.reduce(0, +) == dy.shape.channels)
    let parts = channels.map { Tensor(dy.shape.with(channels: $0)) }
    overBlocks(of: dy.shape, on: workers) { pixels in
      var offset = 0
      for (part, count) in zip(parts, channels) {
        clearPadding(of: part, pixels)
        for pixel in pixels {
          copy(count, from: dy.start + pixel * dy.shape.stride + offset, to: part.start + pixel * part.shape.stride)
        }
        offset += count
      }
    }
    return parts
  }

  /// Runs of pixels of about 16 KiB, so that a pixel's parts meet in cache.
  private static func overBlocks(of shape: Shape, on workers: WorkerPool, _ body: (Range<Int>) -> Void) {
    let grain = max(16, (1 << 12) / shape.stride)
    workers.parallelFor((shape.pixels + grain - 1) / grain) { task, _ in
      body(task * grain..<min(shape.pixels, (task + 1) * grain))
    }
  }

  @inline(__always)
  private static func copy(
    _ count: Int, from source: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<Float>
  ) {
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

  /// Clears the last vector of each pixel where it holds padding; the channels in it are yet to be written.
  @inline(__always)
  private static func clearPadding(of tensor: Tensor, _ pixels: Range<Int>) {
    let stride = tensor.shape.stride
    if stride == tensor.shape.channels { return }
    for pixel in pixels { tensor.start.store(.zero, (pixel + 1) * stride - 8) }
  }
}
