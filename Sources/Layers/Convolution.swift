import Kernels
import Microkernels
import System
import Tensors

/// A convolution with "same" padding: the output has the size of the input or, with stride 2, half of it, rounded up.
package struct Convolution {
  package let weight: Parameter
  package let bias: Parameter?
  package let stride: Int
  package let dilation: Int
  /// 1, or 3 with a padding equal to the dilation.
  package let kernel: Int

  /// - Parameters:
  ///   - kernel: 1, or 3 with a padding equal to the dilation.
  ///   - stride: 1, or 2 with a kernel of 3 and a dilation of 1.
  ///   - initial: of the weight; PyTorch's default, unless given.
  package init(
    _ scope: Scope, from inputs: Int, to outputs: Int, kernel: Int = 1, stride: Int = 1, dilation: Int = 1,
    bias: Bool = false, initial: Initializer? = nil
  ) {
    precondition(kernel == 1 && stride == 1 || kernel == 3 && (stride == 1 || stride == 2 && dilation == 1))
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    weight = scope.weight(kernel: kernel, from: inputs, to: outputs, initial: initial)
    self.bias = bias ? scope.vector("bias", outputs, initial: .uniform(fanIn: kernel * kernel * inputs)) : nil
  }

  /// `[N, H, W, inputs]` → `[N, ⌈H/stride⌉, ⌈W/stride⌉, outputs]`
  ///
  /// - Parameter recompute: whether the backward pass recomputes the output from the input instead of storing it.
  package func callAsFunction(_ x: Activation, recompute: Bool = false, in tape: Tape) -> Activation {
    var input: SavedTensor? = x.saved
    let inputSize = x.size
    let workers = tape.workers
    let profile = tape.profile
    let (precision, inputPrecision) = (tape.precision, x.value.precision)
    let macs = Double(x.shape.pixels / (stride * stride)) * Double(weight.layout.count)
    let value = profile.measure(part, macs: macs) { forward(x.value, precision, on: workers) }
    let saved =
      !recompute
      ? nil
      : SavedTensor { [input = x.saved] in
        let x = input.value
        return profile.measure(part) { forward(x, precision, on: workers) }
      }
    let output = tape.record(part, value, from: [x], parameters: [weight] + (bias.map { [$0] } ?? []), saved: saved) {
      [dx = x.gradient] gradient in
      if let x = input?.value {
        profile.measure(part, macs: macs) {
          weightGradient(x, gradient, on: workers)
          if let bias { PointwiseConvolution.biasGradient(gradient, into: bias.gradient, on: workers) }
        }
      }
      // Release the input before the allocation of its gradient.
      input = nil
      guard let dx else { return }
      dx.add(
        profile.measure(part, macs: macs) { inputGradient(gradient, size: inputSize, inputPrecision, on: workers) },
        on: workers)
    }
    return tape.traced(.convolution(self), of: [x], output)
  }

  /// Whether `folded(with:)` is available. It is not for a bias, nor for a single channel, which has kernels of its own
  /// (`SingleChannelConvolution`).
  var canFoldBatchNorm: Bool { weight.filter.inputs > 1 && weight.filter.outputs > 1 && bias == nil }

  /// Evaluation with batch norm folded into weights and bias; bias, residual sum and ReLU are the epilogue of the GEMM.
  func folded(
    with norm: BatchNormKernel.Normalizer, _ x: Activation, plus residual: Activation?, relu: Bool, in tape: Tape
  ) -> Activation {
    let (workers, precision) = (tape.workers, tape.precision)
    let macs = Double(x.shape.pixels / (stride * stride)) * Double(weight.layout.count)
    return Activation(
      tape.profile.measure(part, macs: macs) {
        let filter = norm.folded(into: weight.filter, on: workers)
        let epilogue = Epilogue(bias: norm.bias, residual: residual?.value, relu: relu)
        return switch (kernel, stride) {
        case (1, _):
          PointwiseConvolution.forward(x.value, filter, epilogue: epilogue, precision: precision, on: workers)
        case (_, 2):
          StridedConvolution.forward(x.value, filter, epilogue: epilogue, precision: precision, on: workers)
        default:
          SpatialConvolution.forward(
            x.value, filter, dilation: dilation, epilogue: epilogue, precision: precision, on: workers)
        }
      })
  }

  private var part: Profile.Part {
    switch (kernel, stride) {
    case (1, _): .conv1x1
    case (_, 2): .strided
    default: dilation > 4 ? .atrous : .winograd
    }
  }

  private func forward(_ x: Tensor, _ precision: Precision, on workers: WorkerPool) -> Tensor {
    switch (kernel, stride) {
    case (1, _): PointwiseConvolution.forward(x, weight.filter, bias: bias?.value, precision: precision, on: workers)
    case (_, 2): StridedConvolution.forward(x, weight.filter, precision: precision, on: workers)
    default: SpatialConvolution.forward(x, weight.filter, dilation: dilation, precision: precision, on: workers)
    }
  }

  private func inputGradient(_ dz: Tensor, size: Size, _ precision: Precision, on workers: WorkerPool) -> Tensor {
    switch (kernel, stride) {
    case (1, _): PointwiseConvolution.inputGradient(dz, weight.filter, precision: precision, on: workers)
    case (_, 2): StridedConvolution.inputGradient(dz, weight.filter, inputSize: size, on: workers)
    default:
      SpatialConvolution.inputGradient(dz, weight.filter, dilation: dilation, precision: precision, on: workers)
    }
  }

  private func weightGradient(_ x: Tensor, _ dz: Tensor, on workers: WorkerPool) {
    let gradient = weight.filterGradient
    switch (kernel, stride) {
    case (1, _): PointwiseConvolution.weightGradient(x, dz, into: gradient, on: workers)
    case (_, 2): StridedConvolution.weightGradient(x, dz, into: gradient, on: workers)
    default: SpatialConvolution.weightGradient(x, dz, dilation: dilation, into: gradient, on: workers)
    }
  }
}
