import Kernels
import Tensors

/// The operations without parameters.
extension Pass {
  /// Bilinear interpolation to another size.
  package func resized(_ x: Activation, to size: Size, corners: Interpolation.Corners) -> Activation {
    if x.size == size { return x }
    let inputSize = x.size
    return output(Interpolation.resize(x.value, to: size, corners: corners, on: workers), from: [x]) {
      [workers, trace = x.trace] gradient in
      trace?.add(Interpolation.gradient(gradient, inputSize: inputSize, corners: corners, on: workers), on: workers)
    }
  }

  /// Maximum over 3×3 pixels, every second pixel.
  package func maxPooled(_ x: Activation) -> Activation {
    let (value, winners) = Pooling.max3x3(x.value, on: workers)
    let shape = x.shape
    return output(value, from: [x]) { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.maxGradient(gradient, winners: winners, inputShape: shape, on: workers), on: workers)
    }
  }

  /// Mean over 2×2 pixels, every second pixel, only pixels of the picture counted.
  package func averagedToHalf(_ x: Activation) -> Activation {
    let shape = x.shape
    return output(Pooling.averageHalf(x.value, on: workers), from: [x]) { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.averageHalfGradient(gradient, inputShape: shape, on: workers), on: workers)
    }
  }

  /// Mean over a pixel and its neighbours to the right and below, zeros beyond the picture.
  package func averagedInPlace(_ x: Activation) -> Activation {
    output(Pooling.averageStay(x.value, on: workers), from: [x]) { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.averageStayGradient(gradient, on: workers), on: workers)
    }
  }

  /// Mean over the picture, `[N, 1, 1, C]`.
  package func averaged(_ x: Activation) -> Activation {
    let size = x.size
    return output(Pooling.global(x.value, on: workers), from: [x]) { [workers, trace = x.trace] gradient in
      trace?.add(Pooling.globalGradient(gradient, inputSize: size, on: workers), on: workers)
    }
  }

  package func rectified(_ x: Activation) -> Activation {
    let value = Rectifier.forward(x.value, on: workers)
    return output(value, from: [x]) { [workers, trace = x.trace] gradient in
      trace?.add(Rectifier.gradient(gradient, output: value, on: workers), on: workers)
    }
  }

  package func sigmoid(_ x: Activation) -> Activation {
    let value = Sigmoid.forward(x.value, on: workers)
    return output(value, from: [x]) { [workers, trace = x.trace] gradient in
      trace?.add(Sigmoid.gradient(gradient, output: value, on: workers), on: workers)
    }
  }

  /// The channels of all, one after the other.
  package func concatenated(_ parts: Activation...) -> Activation { concatenated(parts) }

  /// The channels of all, one after the other.
  package func concatenated(_ parts: [Activation]) -> Activation {
    let channels = parts.map(\.shape.channels)
    return output(Concatenation.join(parts.map(\.value), on: workers), from: parts) {
      [workers, traces = parts.map(\.trace)] gradient in
      for (trace, part) in zip(traces, Concatenation.split(gradient, into: channels, on: workers)) {
        trace?.add(part, on: workers)
      }
    }
  }

  /// feature · (1 + attention), the attention of one channel.
  package func gated(_ feature: Activation, by attention: Activation) -> Activation {
    let keptFeature = feature.kept
    let keptAttention = attention.kept
    return output(
      Gating.forward(feature.value, attention.value, on: workers), from: [feature, attention]
    ) { [workers, featureTrace = feature.trace, attentionTrace = attention.trace] gradient in
      let (ofFeature, ofAttention) = Gating.gradient(gradient, keptFeature(), keptAttention(), on: workers)
      featureTrace?.add(ofFeature, on: workers)
      attentionTrace?.add(ofAttention, on: workers)
    }
  }
}
