import Kernels
import Microkernels
import System
import Tensors

/// Operations without parameters, named as in PyTorch. Where an output is cheap to compute compared with its memory,
/// the backward pass recomputes it (activation recomputation).
extension Tape {
  /// Bilinear interpolation to another size (`torch.nn.functional.interpolate`), `[N, H, W, C]` → `[N, H′, W′, C]`.
  ///
  /// - Parameters:
  ///   - alignCorners: whether the corner pixels of input and output coincide (PyTorch's `align_corners`).
  ///   - rows: of the output, in evaluation only; all, unless given.
  ///   - precision: of the output; that of x, unless given.
  package func interpolate(
    _ x: Activation, to size: Size, alignCorners: Bool, rows: Range<Int>? = nil, precision: Precision? = nil
  ) -> Activation {
    let rows = rows ?? 0..<size.height
    precondition(mode == .evaluation || rows.count == size.height)
    let inputPrecision = x.value.precision
    let precision = precision ?? inputPrecision
    if x.size == size && trace == nil && precision == inputPrecision { return slice(x, rows: rows) }
    let inputSize = x.size
    let corners: Interpolation.Corners = alignCorners ? .aligned : .halfPixel
    let output = recomputed(.resampling, from: [x]) { [workers] x in
      Interpolation.resize(x[0], to: size, corners: corners, rows: rows, precision: precision, on: workers)
    } backward: { [workers, dx = x.gradient] gradient in
      dx?.add(
        Interpolation.gradient(
          gradient, inputSize: inputSize, corners: corners, precision: inputPrecision, on: workers), on: workers)
    }
    return traced(.interpolate(to: size, alignCorners: alignCorners), of: [x], output)
  }

  /// Max pooling 3×3 with stride 2 and padding 1, `[N, H, W, C]` → `[N, ⌈H/2⌉, ⌈W/2⌉, C]`.
  package func maxPool3x3(_ x: Activation) -> Activation {
    let (value, argmax) = profile.measure(.resampling) { Pooling.max3x3(x.value, on: workers) }
    let shape = x.shape
    let output = record(.resampling, value, from: [x]) { [workers, profile, dx = x.gradient] gradient in
      let gradient = profile.measure(.resampling) {
        Pooling.maxGradient(gradient, argmax: argmax, inputShape: shape, on: workers)
      }
      dx?.add(gradient, on: workers)
    }
    return traced(.maxPool3x3, of: [x], output)
  }

  /// Average pooling 2×2.
  ///
  /// - Parameter stride: 2: `[N, H, W, C]` → `[N, ⌈H/2⌉, ⌈W/2⌉, C]`; the mean is over the pixels inside the image
  ///   (`ceil_mode`, without `count_include_pad`). 1: the size stays; each pixel is averaged with those to the right
  ///   and below, which are zero outside the image.
  package func averagePool(_ x: Activation, stride: Int) -> Activation {
    precondition(stride == 1 || stride == 2)
    let shape = x.shape
    let output = recomputed(.resampling, from: [x]) { [workers] x in
      stride == 2 ? Pooling.average2x2Stride2(x[0], on: workers) : Pooling.average2x2Stride1(x[0], on: workers)
    } backward: { [workers, dx = x.gradient] gradient in
      dx?.add(
        stride == 2
          ? Pooling.average2x2Stride2Gradient(gradient, inputShape: shape, on: workers)
          : Pooling.average2x2Stride1Gradient(gradient, on: workers), on: workers)
    }
    return traced(.averagePool2x2(stride: stride), of: [x], output)
  }

  /// Global average pooling, `[N, H, W, C]` → `[N, 1, 1, C]`.
  package func globalAveragePool(_ x: Activation) -> Activation {
    let size = x.size
    let value = profile.measure(.resampling) { Pooling.globalAverage(x.value, on: workers) }
    let output = record(.resampling, value, from: [x]) { [workers, profile, dx = x.gradient] gradient in
      let gradient = profile.measure(.resampling) {
        Pooling.globalAverageGradient(gradient, inputSize: size, on: workers)
      }
      dx?.add(gradient, on: workers)
    }
    return traced(.globalAveragePool, of: [x], output)
  }

  package func relu(_ x: Activation) -> Activation {
    let value = profile.measure(.elementwise) { ReLU.forward(x.value, on: workers) }
    let saved = SavedTensor { [workers, profile, x = x.saved] in
      let x = x.value
      return profile.measure(.elementwise) { ReLU.forward(x, on: workers) }
    }
    let output = record(.elementwise, value, from: [x], saved: saved) { [workers, profile, dx = x.gradient] gradient in
      let output = saved.value
      dx?.add(profile.measure(.elementwise) { ReLU.gradient(gradient, output: output, on: workers) }, on: workers)
    }
    return traced(.relu, of: [x], output)
  }

  package func sigmoid(_ x: Activation) -> Activation {
    let value = profile.measure(.elementwise) { Sigmoid.forward(x.value, on: workers) }
    let output = record(.elementwise, value, from: [x]) { [workers, profile, dx = x.gradient] gradient in
      dx?.add(profile.measure(.elementwise) { Sigmoid.gradient(gradient, output: value, on: workers) }, on: workers)
    }
    return traced(.sigmoid, of: [x], output)
  }

  /// Concatenates along the channels.
  package func concatenate(_ parts: Activation...) -> Activation { concatenate(parts) }

  /// Concatenates along the channels.
  package func concatenate(_ parts: [Activation]) -> Activation {
    let channels = parts.map(\.shape.channels)
    let output = recomputed(.elementwise, from: parts) { [workers, precision] parts in
      Concatenation.join(parts, precision, on: workers)
    } backward: { [workers, gradients = parts.map(\.gradient)] gradient in
      for (dx, part) in zip(gradients, Concatenation.split(gradient, into: channels, on: workers)) {
        dx?.add(part, on: workers)
      }
    }
    return traced(.concatenate, of: parts, output)
  }

  /// Gates `feature`, `[N, H, W, C]`, by `attention`, `[N, H, W, 1]`: feature · (1 + attention).
  package func gate(_ feature: Activation, by attention: Activation) -> Activation {
    let inputs = (feature: feature.saved, attention: attention.saved)
    let output = recomputed(.elementwise, from: [feature, attention]) { [workers] inputs in
      Gating.forward(inputs[0], inputs[1], on: workers)
    } backward: { [workers, dFeature = feature.gradient, dAttention = attention.gradient] gradient in
      let (featureGradient, attentionGradient) = Gating.gradient(
        gradient, inputs.feature.value, inputs.attention.value, on: workers)
      dFeature?.add(featureGradient, on: workers)
      dAttention?.add(attentionGradient, on: workers)
    }
    return traced(.gate, of: [feature, attention], output)
  }

  /// Records an operation without parameters whose output the backward pass recomputes if an operation needs it there.
  private func recomputed(
    _ part: Profile.Part, from inputs: [Activation], _ forward: @escaping (_ inputs: [Tensor]) -> Tensor,
    backward: @escaping (_ gradient: Tensor) -> Void
  ) -> Activation {
    let value = profile.measure(part) { forward(inputs.map(\.value)) }
    let saved = SavedTensor { [profile, inputs = inputs.map(\.saved)] in
      let values = inputs.map(\.value)
      return profile.measure(part) { forward(values) }
    }
    return record(part, value, from: inputs, saved: saved) { [profile] gradient in
      profile.measure(part) { backward(gradient) }
    }
  }
}
