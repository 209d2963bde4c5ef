import Kernels
import Tensors

/// The operations without parameters.
extension Pass {
  /// Bilinear interpolation to another size.
  package func resized(_ x: Activation, to size: Size, corners: Interpolation.Corners) -> Activation {
    if x.size == size { return x }
    let inputSize = x.size
    return operation(.resampling, from: [x]) {
      Interpolation.resize(x.value, to: size, corners: corners, on: workers)
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Interpolation.gradient(gradient, inputSize: inputSize, corners: corners, on: workers), on: workers)
    }
  }

  /// Maximum over 3×3 pixels, every second pixel.
  package func maxPooled(_ x: Activation) -> Activation {
    let (value, winners) = profile.measure(.resampling) { Pooling.max3x3(x.value, on: workers) }
    let shape = x.shape
    return operation(.resampling, from: [x]) {
      value
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.maxGradient(gradient, winners: winners, inputShape: shape, on: workers), on: workers)
    }
  }

  /// Mean over 2×2 pixels, every second pixel, only pixels of the picture counted.
  package func averagedToHalf(_ x: Activation) -> Activation {
    let shape = x.shape
    return operation(.resampling, from: [x]) {
      Pooling.averageHalf(x.value, on: workers)
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.averageHalfGradient(gradient, inputShape: shape, on: workers), on: workers)
    }
  }

  /// Mean over a pixel and its neighbours to the right and below, zeros beyond the picture.
  package func averagedInPlace(_ x: Activation) -> Activation {
    operation(.resampling, from: [x]) {
      Pooling.averageStay(x.value, on: workers)
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.averageStayGradient(gradient, on: workers), on: workers)
    }
  }

  /// Mean over the picture, `[N, 1, 1, C]`.
  package func averaged(_ x: Activation) -> Activation {
    let size = x.size
    return operation(.resampling, from: [x]) {
      Pooling.global(x.value, on: workers)
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.globalGradient(gradient, inputSize: size, on: workers), on: workers)
    }
  }

  package func rectified(_ x: Activation) -> Activation {
    let value = profile.measure(.pointwiseOperations) { Rectifier.forward(x.value, on: workers) }
    return operation(.pointwiseOperations, from: [x]) {
      value
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Rectifier.gradient(gradient, output: value, on: workers), on: workers)
    }
  }

  package func sigmoid(_ x: Activation) -> Activation {
    let value = profile.measure(.pointwiseOperations) { Sigmoid.forward(x.value, on: workers) }
    return operation(.pointwiseOperations, from: [x]) {
      value
    } back: { [workers, trace = x.trace] gradient in
      trace?.add(Sigmoid.gradient(gradient, output: value, on: workers), on: workers)
    }
  }

  /// The channels of all, one after the other.
  package func concatenated(_ parts: Activation...) -> Activation { concatenated(parts) }

  /// The channels of all, one after the other.
  package func concatenated(_ parts: [Activation]) -> Activation {
    let channels = parts.map(\.shape.channels)
    return operation(.pointwiseOperations, from: parts) {
      Concatenation.join(parts.map(\.value), on: workers)
    } back: { [workers, traces = parts.map(\.trace)] gradient in
      for (trace, part) in zip(traces, Concatenation.split(gradient, into: channels, on: workers)) {
        trace?.add(part, on: workers)
      }
    }
  }

  /// feature · (1 + attention), the attention of one channel.
  package func gated(_ feature: Activation, by attention: Activation) -> Activation {
    let keptFeature = feature.kept
    let keptAttention = attention.kept
    return operation(.pointwiseOperations, from: [feature, attention]) {
      Gating.forward(feature.value, attention.value, on: workers)
    } back: { [workers, featureTrace = feature.trace, attentionTrace = attention.trace] gradient in
      let (ofFeature, ofAttention) = Gating.gradient(gradient, keptFeature(), keptAttention(), on: workers)
      featureTrace?.add(ofFeature, on: workers)
      attentionTrace?.add(ofAttention, on: workers)
    }
  }

  /// An operation without parameters, on the profile's clock both ways.
  private func operation(
    _ part: Profile.Part, from inputs: [Activation], _ forward: () -> Tensor,
    back: @escaping (_ gradient: Tensor) -> Void
  ) -> Activation {
    output(profile.measure(part, forward), from: inputs, name: part.rawValue) { [profile] gradient in
      profile.measure(part) { back(gradient) }
    }
  }
}
