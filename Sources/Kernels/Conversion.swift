import Microkernels
import Tensors

/// Conversion between precisions.
package enum Conversion {
  /// - Returns: `x` itself if it has the precision; otherwise a copy, rounded to nearest even if it is less. A single
  ///   channel stays in single precision.
  package static func convert(_ x: Tensor, to precision: Precision, on workers: WorkerPool) -> Tensor {
    if x.precision == precision || x.shape.channels == 1 { return x }
    let y = Tensor(x.shape, precision)
    let microkernels = workers.microkernels
    workers.forEachChunk(of: x.shape.count, grain: 1 << 15) { chunk, _ in
      microkernels.convert(x.elements + chunk.lowerBound, to: y.elements + chunk.lowerBound, count: chunk.count)
    }
    return y
  }
}
