import Glibc
import Microkernels
import Tensors

/// The epilogue of a convolution, `max(0, y + bias + residual)`, applied while the result is in the cache. In
/// evaluation, with batch norm folded into the weights, it is everything that follows a convolution.
package struct Epilogue {
  private let bias: Buffer?
  private let residual: Tensor?
  private let relu: Bool

  /// Nil if there is nothing to do.
  ///
  /// - Parameters:
  ///   - bias: one number per channel of the result.
  ///   - residual: a tensor of the shape of the result.
  package init?(bias: FloatSlice?, residual: Tensor? = nil, relu: Bool = false) {
    if bias == nil && residual == nil && !relu { return nil }
    self.bias = bias.map { paddedCopy($0, count: $0.count.roundedUp(toMultipleOf: 8)) }
    self.residual = residual
    self.relu = relu
  }

  /// The epilogue of the part of the result that begins at number `offset`, which belongs to channel `channel`.
  func pointers(at offset: Int, channel: Int = 0) -> EpiloguePointers {
    EpiloguePointers(
      bias: bias.map { UnsafePointer($0.start + channel) }, residual: residual.map { $0.elements + offset },
      relu: relu)
  }

  /// The epilogue of image `index` of the result.
  func pointers(image index: Int) -> EpiloguePointers {
    pointers(at: residual.map { index * $0.shape.pixelsPerImage * $0.shape.stride } ?? 0)
  }
}

/// A copy of `values`, padded with zeros to `count`.
func paddedCopy(_ values: FloatSlice, count: Int) -> Buffer {
  let copy = Buffer(count: count)
  copy.clear()
  memcpy(copy.start, values.start, values.count * MemoryLayout<Float>.stride)
  return copy
}

/// Decides when results are written with non-temporal stores, which bypass the caches.
enum NonTemporal {
  /// Whether it pays: results above 16 MiB leave the caches before the next operation reads them, so reading each line
  /// into the cache before it is overwritten would be wasted traffic.
  static func pays(floats: Int) -> Bool { floats > 4 << 20 }
}

extension Tensor {
  /// Whether a kernel that writes this tensor once, from end to end, uses non-temporal stores.
  var usesNonTemporalStores: Bool { precision == .float32 && NonTemporal.pays(floats: shape.count) }
}
