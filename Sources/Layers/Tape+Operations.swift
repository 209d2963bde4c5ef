import Kernels
import Tensors

/// The operations without parameters. Where one of them is cheap beside the memory of its output, the backward pass has the
/// output made again.
extension Tape {
  /// Bilinear interpolation to another size.
  ///
  /// - Parameter rows: those of the output that are asked for, in evaluation alone; all, unless something else is said.
  package func resized(
    _ x: Activation, to size: Size, corners: Interpolation.Corners, rows: Range<Int>? = nil
  ) -> Activation {
    let rows = rows ?? 0..<size.height
    precondition(mode == .evaluation || rows.count == size.height)
    if x.size == size { return cut(rows, of: x) }
    let inputSize = x.size
    return operation(.resampling, from: [x]) { [workers] x in
      Interpolation.resize(x[0], to: size, corners: corners, rows: rows, on: workers)
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Interpolation.gradient(gradient, inputSize: inputSize, corners: corners, on: workers), on: workers)
    }
  }

  /// Maximum over 3×3 pixels, every second pixel.
  package func maxPooled(_ x: Activation) -> Activation {
    let (value, argmax) = profile.measure(.resampling) { Pooling.max3x3(x.value, on: workers) }
    let shape = x.shape
    return output(.resampling, value, from: [x]) { [workers, profile, trace = x.trace] gradient in
      let gradient = profile.measure(.resampling) {
        Pooling.maxGradient(gradient, argmax: argmax, inputShape: shape, on: workers)
      }
      trace?.add(gradient, on: workers)
    }
  }

  /// Mean over 2×2 pixels, every second pixel, only pixels of the image counted.
  package func averagedToHalf(_ x: Activation) -> Activation {
    let shape = x.shape
    return operation(.resampling, from: [x]) { [workers] x in
      Pooling.average2x2Stride2(x[0], on: workers)
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.average2x2Stride2Gradient(gradient, inputShape: shape, on: workers), on: workers)
    }
  }

  /// Mean over a pixel and its neighbors to the right and below, zeros beyond the image.
  package func averagedInPlace(_ x: Activation) -> Activation {
    operation(.resampling, from: [x]) { [workers] x in
      Pooling.average2x2Stride1(x[0], on: workers)
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.average2x2Stride1Gradient(gradient, on: workers), on: workers)
    }
  }

  /// Mean over the image, `[N, 1, 1, C]`.
  package func averaged(_ x: Activation) -> Activation {
    let size = x.size
    let value = profile.measure(.resampling) { Pooling.globalAverage(x.value, on: workers) }
    return output(.resampling, value, from: [x]) { [workers, profile, trace = x.trace] gradient in
      let gradient = profile.measure(.resampling) { Pooling.globalAverageGradient(gradient, inputSize: size, on: workers) }
      trace?.add(gradient, on: workers)
    }
  }

  package func rectified(_ x: Activation) -> Activation {
    let value = profile.measure(.elementwise) { ReLU.forward(x.value, on: workers) }
    let kept = SavedTensor { [workers, profile, x = x.kept] in
      let x = x.value
      return profile.measure(.elementwise) { ReLU.forward(x, on: workers) }
    }
    return output(.elementwise, value, from: [x], kept: kept) {
      [workers, profile, trace = x.trace] gradient in
      let output = kept.value
      trace?.add(
        profile.measure(.elementwise) { ReLU.gradient(gradient, output: output, on: workers) },
        on: workers)
    }
  }

  package func sigmoid(_ x: Activation) -> Activation {
    let value = profile.measure(.elementwise) { Sigmoid.forward(x.value, on: workers) }
    return output(.elementwise, value, from: [x]) { [workers, profile, trace = x.trace] gradient in
      trace?.add(
        profile.measure(.elementwise) { Sigmoid.gradient(gradient, output: value, on: workers) }, on: workers)
    }
  }

  /// The channels of all, one after the other.
  package func concatenated(_ parts: Activation...) -> Activation { concatenated(parts) }

  /// The channels of all, one after the other.
  package func concatenated(_ parts: [Activation]) -> Activation {
    let channels = parts.map(\.shape.channels)
    return operation(.elementwise, from: parts) { [workers] parts in
      Concatenation.join(parts, on: workers)
    } back: { [workers, traces = parts.map(\.trace)] gradient in
      for (trace, part) in zip(traces, Concatenation.split(gradient, into: channels, on: workers)) {
        trace?.add(part, on: workers)
      }
    }
  }

  /// feature · (1 + attention), the attention of one channel.
  package func gated(_ feature: Activation, by attention: Activation) -> Activation {
    let inputs = (feature: feature.kept, attention: attention.kept)
    return operation(.elementwise, from: [feature, attention]) { [workers] inputs in
      Gating.forward(inputs[0], inputs[1], on: workers)
    } back: { [workers, featureTrace = feature.trace, attentionTrace = attention.trace] gradient in
      let (ofFeature, ofAttention) = Gating.gradient(
        gradient, inputs.feature.value, inputs.attention.value, on: workers)
      featureTrace?.add(ofFeature, on: workers)
      attentionTrace?.add(ofAttention, on: workers)
    }
  }

  /// An operation without parameters whose output is made again on the backward pass, where somebody needs it there.
  private func operation(
    _ part: Profile.Part, from inputs: [Activation], _ forward: @escaping (_ inputs: [Tensor]) -> Tensor,
    back: @escaping (_ gradient: Tensor) -> Void
  ) -> Activation {
    let value = profile.measure(part) { forward(inputs.map(\.value)) }
    let kept = SavedTensor { [profile, inputs = inputs.map(\.kept)] in
      let values = inputs.map(\.value)
      return profile.measure(part) { forward(values) }
    }
    return output(part, value, from: inputs, kept: kept) { [profile] gradient in
      profile.measure(part) { back(gradient) }
    }
  }
}
