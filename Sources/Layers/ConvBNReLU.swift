/// A convolution without bias, batch norm, an optional residual sum and an optional ReLU.
package struct ConvBNReLU {
  package let convolution: Convolution
  package let norm: BatchNorm

  package init(
    _ convolution: Scope, norm: Scope, from inputs: Int, to outputs: Int, kernel: Int = 1, stride: Int = 1,
    dilation: Int = 1, initial: Initializer? = nil, gamma: Float = 1
  ) {
    self.convolution = Convolution(
      convolution, from: inputs, to: outputs, kernel: kernel, stride: stride, dilation: dilation, initial: initial)
    self.norm = BatchNorm(norm, channels: outputs, gamma: gamma)
  }

  /// `[N, H, W, inputs]` → `[N, ⌈H/stride⌉, ⌈W/stride⌉, outputs]`
  ///
  /// In evaluation batch norm is folded into the convolution; residual sum and ReLU are the epilogue of its GEMM. A trace
  /// records the layers one by one.
  ///
  /// - Parameters:
  ///   - residual: added before the ReLU; of the output's shape.
  ///   - recompute: whether the backward pass recomputes a residual sum instead of storing it.
  package func callAsFunction(
    _ x: Activation, plus residual: Activation? = nil, relu: Bool = true, recompute: Bool = false, in tape: Tape
  ) -> Activation {
    if tape.mode == .evaluation && tape.trace == nil && convolution.canFoldBatchNorm {
      return convolution.folded(with: norm.runningNormalizer, x, plus: residual, relu: relu, in: tape)
    }
    return norm(convolution(x, in: tape), plus: residual, relu: relu, inPlace: true, recompute: recompute, in: tape)
  }
}
