import Microkernels
import Tensors

/// What a convolution does to its result while that is still in the cache, `max(0, y + bias + residual)`: in evaluation,
/// where batch norm is folded into the weights, all that follows a convolution.
package struct Epilogue {
  private let bias: Buffer?
  private let residual: Tensor?
  private let relu: Bool

  /// - Parameters:
  ///   - bias: a number a channel of the result.
  ///   - residual: of the shape of the result.
  package init?(bias: FloatSlice?, residual: Tensor? = nil, relu: Bool = false) {
    if bias == nil && residual == nil && !relu { return nil }
    self.bias = bias.map { paddedCopy($0, count: ($0.count + 7) & ~7) }
    self.residual = residual
    self.relu = relu
  }

  /// For the part of the result that begins at a float of it, whose channel is `channel`.
  func pointers(atFloat offset: Int, channel: Int = 0) -> EpiloguePointers {
    EpiloguePointers(
      bias: bias.map { UnsafePointer($0.start + channel) }, residual: residual.map { UnsafePointer($0.start + offset) },
      relu: relu)
  }

  /// For image `index` of the result.
  func image(_ index: Int) -> EpiloguePointers { from(float: residual.map { $0.image(index) - $0.start } ?? 0) }
}
