import Kernels
import Tensors

/// A convolution whose output is as large as its input or, with stride 2, half as large, rounded up.
package struct Convolution {
  let weight: Parameter
  let bias: Parameter?
  let stride: Int
  let dilation: Int
  private let kernel: Int

  /// - Parameters:
  ///   - kernel: 1, or 3 with a padding as wide as the dilation.
  ///   - stride: 2 only with a kernel of 3 and no dilation.
  package init(
    _ scope: Scope, from inputs: Int, to outputs: Int, kernel: Int = 1, stride: Int = 1, dilation: Int = 1,
    bias: Bool = false, initial: Initializer? = nil
  ) {
    precondition(kernel == 1 && stride == 1 || kernel == 3 && (stride == 1 || stride == 2 && dilation == 1))
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    weight = scope.weight(kernel: kernel, from: inputs, to: outputs, initial: initial)
    self.bias =
      bias
      ? scope.vector("bias", outputs, initial: .uniform(bound: 1 / Float(kernel * kernel * inputs).squareRoot()))
      : nil
  }

  /// `[N, H, W, inputs]` → `[N, ⌈H/stride⌉, ⌈W/stride⌉, outputs]`
  ///
  /// - Parameter recompute: whether the backward pass has the output made again from the input, instead of keeping it.
  package func callAsFunction(_ x: Activation, recompute: Bool = false, in tape: Tape) -> Activation {
    var input: SavedTensor? = x.kept
    let inputSize = x.size
    let workers = tape.workers
    let profile = tape.profile
    let work = Double(x.shape.pixels / (stride * stride)) * Double(weight.form.count)
    let value = profile.measure(part, macs: work) { forward(x.value, on: workers) }
    let kept =
      !recompute
      ? nil
      : SavedTensor { [input = x.kept] in
        let x = input.value
        return profile.measure(part) { forward(x, on: workers) }
      }
    return tape.output(part, value, from: [x], parameters: [weight] + (bias.map { [$0] } ?? []), kept: kept) {
      [trace = x.trace] gradient in
      if let x = input?.value {
        profile.measure(part, macs: work) {
          weightGradient(x, gradient, on: workers)
          if let bias { PointwiseConvolution.biasGradient(gradient, into: bias.gradient, on: workers) }
        }
      }
      // The gradient of the input takes its place.
      input = nil
      guard let trace else { return }
      trace.add(
        profile.measure(part, macs: work) { inputGradient(gradient, size: inputSize, on: workers) },
        on: workers)
    }
  }

  /// Whether `folded` serves: planes of one channel are products of another kind.
  var foldable: Bool { weight.filter.inputs > 1 && weight.filter.outputs > 1 && bias == nil }

  /// In evaluation: the convolution with a batch norm folded into its weights, and what follows, in one go.
  func folded(
    _ norm: BatchNormKernel.Normalizer, _ x: Activation, plus residual: Activation?, relu: Bool, in tape: Tape
  ) -> Activation {
    let workers = tape.workers
    let work = Double(x.shape.pixels / (stride * stride)) * Double(weight.form.count)
    return Activation(
      tape.profile.measure(part, macs: work) {
        let filter = norm.folded(into: weight.filter, on: workers)
        let epilogue = Epilogue(bias: norm.bias, residual: residual?.value, relu: relu)
        return switch (kernel, stride) {
        case (1, _): PointwiseConvolution.forward(x.value, filter, epilogue: epilogue, on: workers)
        case (_, 2): StridedConvolution.forward(x.value, filter, epilogue: epilogue, on: workers)
        default: SpatialConvolution.forward(x.value, filter, dilation: dilation, epilogue: epilogue, on: workers)
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

  private func forward(_ x: Tensor, on workers: WorkerPool) -> Tensor {
    switch (kernel, stride) {
    case (1, _): PointwiseConvolution.forward(x, weight.filter, bias: bias?.value, on: workers)
    case (_, 2): StridedConvolution.forward(x, weight.filter, on: workers)
    default: SpatialConvolution.forward(x, weight.filter, dilation: dilation, on: workers)
    }
  }

  private func inputGradient(_ dz: Tensor, size: Size, on workers: WorkerPool) -> Tensor {
    switch (kernel, stride) {
    case (1, _): PointwiseConvolution.inputGradient(dz, weight.filter, on: workers)
    case (_, 2): StridedConvolution.inputGradient(dz, weight.filter, inputSize: size, on: workers)
    default: SpatialConvolution.inputGradient(dz, weight.filter, dilation: dilation, on: workers)
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
