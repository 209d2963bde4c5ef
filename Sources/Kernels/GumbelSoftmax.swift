import Microkernels
import Tensors

/// The Gumbel-softmax (Jang, Gu and Poole, ICLR 2017) of the classes of each pixel: a sample of the predicted class that
/// has a gradient.
///
/// With z the logits of a pixel, τ the temperature and U uniform in [0, 1):
///
///     G = −ln(ε − ln(U + ε)),  ε = 10⁻¹⁰
///     g = softmax((z + G) / τ)
///     dL/dz = g · (dL/dg − Σ dL/dg · g) / τ,  the sum over the classes
///
/// U is number (class · H + y) · W + x of a stream that belongs to the image.
enum GumbelSoftmax {
  /// - Parameters:
  ///   - logits: of an image, `[H, W, C]`.
  ///   - mask: 1 where a pixel counts; g is 0 elsewhere.
  ///   - samples: receives g.
  static func forward(
    _ logits: UnsafeMutablePointer<Float>, channelStride: Int, mask: ClassPlanes, noise: RandomNumbers,
    temperature: Float, into samples: ClassPlanes, on workers: WorkerPool
  ) {
    let (classes, height, width) = (samples.classes, samples.height, samples.width)
    let workspaces = Buffer(count: workers.threads * (classes * 8 + 16))
    let inverse = 1 / temperature
    workers.parallelFor(height) { y, worker in
      let workspace = workspaces.start + worker * (classes * 8 + 16)
      let maskRow = mask.row(0, y)
      for x in stride(from: 0, to: width, by: 8) {
        // Lanes beyond the row are copies of its last pixel, and are masked.
        let pixels = Offsets(firstOf: y * width, x, width, channelStride)
        var largest = Vector(repeating: -.infinity)
        for c in 0..<classes {
          let sample = (pixels.gather(logits + c) + noised(noise, (c * height + y) * width + x)) * inverse
          workspace.store(sample, c * 8)
          largest = VectorMath.larger(largest, sample)
        }
        var total = Vector.zero
        for c in 0..<classes {
          let exponential = VectorMath.exp(workspace.vector(c * 8) - largest)
          workspace.store(exponential, c * 8)
          total += exponential
        }
        let isMasked = maskRow.vector(x) .== 0
        let factor = 1 / total
        for c in 0..<classes {
          let g = (workspace.vector(c * 8) * factor).replacing(with: 0, where: isMasked)
          samples.row(c, y).store(g, x)
        }
      }
    }
  }

  /// - Parameters:
  ///   - slopes: dL/dg.
  ///   - gradient: receives dL/dz of an image, `[H, W, C]`.
  static func gradient(
    _ slopes: ClassPlanes, _ samples: ClassPlanes, temperature: Float, into gradient: UnsafeMutablePointer<Float>,
    channelStride: Int, on workers: WorkerPool
  ) {
    let (classes, width) = (samples.classes, samples.width)
    let inverse = 1 / temperature
    workers.parallelFor(samples.height) { y, _ in
      for x in 0..<width where channelStride != classes {
        gradient.store(Vector.zero, (y * width + x + 1) * channelStride - 8)
      }
      for x in stride(from: 0, to: width, by: 8) {
        var mean = Vector.zero
        for c in 0..<classes { mean += slopes.row(c, y).vector(x) * samples.row(c, y).vector(x) }
        let lanes = min(8, width - x)
        let first = gradient + (y * width + x) * channelStride
        for c in 0..<classes {
          let value = samples.row(c, y).vector(x) * ((slopes.row(c, y).vector(x) - mean) * inverse)
          for lane in 0..<lanes { first[lane * channelStride + c] = value[lane] }
        }
      }
    }
  }

  /// The noise of eight pixels.
  @inline(__always)
  private static func noised(_ noise: RandomNumbers, _ first: Int) -> Vector {
    var uniform = Vector()
    for lane in 0..<8 { uniform[lane] = Float(Int32(truncatingIfNeeded: noise.bits(at: first + lane) >> 40)) }
    return gumbel(uniform * 0x1p-24)
  }

  /// The Gumbel-distributed number of a uniform one.
  @inline(__always)
  static func gumbel(_ uniform: Vector) -> Vector {
    let epsilon: Float = 1e-10
    return -VectorMath.log(epsilon - VectorMath.log(uniform + epsilon))
  }

  /// Where the logits of eight pixels begin.
  private struct Offsets {
    private var first = SIMD8<Int>()

    @inline(__always)
    init(firstOf row: Int, _ x: Int, _ width: Int, _ stride: Int) {
      for lane in 0..<8 { first[lane] = (row + min(x + lane, width - 1)) * stride }
    }

    @inline(__always)
    func gather(_ floats: UnsafeMutablePointer<Float>) -> Vector {
      Vector(
        floats[first[0]], floats[first[1]], floats[first[2]], floats[first[3]], floats[first[4]], floats[first[5]],
        floats[first[6]], floats[first[7]])
    }
  }
}
