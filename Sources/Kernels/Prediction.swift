import Microkernels
import Tensors

/// The prediction: logits to classes.
package enum Prediction {
  /// The class with the largest logit of each pixel; the first of several equal ones.
  ///
  /// - Parameter logits: `[N, H, W, C]`, C from 2 to 256.
  /// - Returns: `N · H · W` classes.
  package static func argmax(_ logits: Tensor, on workers: WorkerPool) -> [UInt8] {
    let shape = logits.shape
    precondition((2...256).contains(shape.channels))
    return [UInt8](unsafeUninitializedCapacity: shape.pixels) { classes, count in
      if let first = classes.baseAddress { write(logits, to: first, on: workers) }
      count = shape.pixels
    }
  }

  private static func write(_ logits: Tensor, to classes: UnsafeMutablePointer<UInt8>, on workers: WorkerPool) {
    let shape = logits.shape
    let full = (shape.channels - 1) / 8
    let padding = VectorMath.lanes(from: shape.channels - 8 * full)
    workers.forEachChunk(of: shape.pixels, grain: 1024) { pixels, _ in
      for pixel in pixels {
        classes[pixel] = largest(logits.start + pixel * shape.stride, full, padding)
      }
    }
  }

  /// - Parameters:
  ///   - full: vectors before the last one.
  ///   - padding: lanes of the last vector without a class.
  @inline(__always)
  static func largest(
    _ pixel: UnsafeMutablePointer<Float>, _ full: Int, _ padding: SIMDMask<SIMD8<Int32>>
  ) -> UInt8 {
    // The largest logit of each lane so far and its class; a later class replaces it only if it is larger.
    var best = Vector(repeating: -.infinity)
    var classes = VectorMath.Integers(0, 1, 2, 3, 4, 5, 6, 7)
    var current = classes
    for vector in 0...full {
      var value = pixel.vector(vector * 8)
      if vector == full { value.replace(with: -.infinity, where: padding) }
      let larger = value .> best
      best.replace(with: value, where: larger)
      classes.replace(with: current, where: larger)
      current = current &+ 8
    }
    let largest = Vector(repeating: VectorMath.largest(best))
    let candidates = classes.replacing(with: VectorMath.Integers(repeating: .max), where: best .!= largest)
    let first = VectorMath.smallest(candidates)
    return first < 256 ? UInt8(truncatingIfNeeded: first) : 0
  }
}
