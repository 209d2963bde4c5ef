import Layers
import Tensors

/// The gated convolution layer (§3.1, equations 1 and 2): the backbone tells the shape stream where to look.
///
/// a = σ(BN(1×1(ReLU(1×1(BN(feature ⊕ side)))))), out = 1×1(feature · (1 + a))
///
/// At full resolution a product of a few dozen channels is cheap beside the memory that its result takes: what is kept for
/// the backward pass is the feature and, of one channel, what leads to the attention; the rest is made again.
struct GatedConvolution {
  private let attention: Attention
  private let convolution: Convolution

  /// - Parameter channels: of the feature that is gated; the side output has one.
  init(_ scope: Scope, channels: Int) {
    convolution = Convolution(scope, from: channels, to: channels)
    attention = Attention(scope / "attention", channels: channels + 1)
  }

  func callAsFunction(_ feature: Activation, by side: Activation, in tape: Tape) -> Activation {
    let attention = attention(tape.concatenated(feature, side), in: tape)
    return convolution(tape.gated(feature, by: attention), recompute: true, in: tape)
  }

  private struct Attention {
    let normBefore: BatchNorm
    let hidden: Convolution
    let output: Convolution
    let normAfter: BatchNorm

    init(_ scope: Scope, channels: Int) {
      normBefore = BatchNorm(scope / 0, channels: channels)
      hidden = Convolution(scope / 1, from: channels, to: channels, bias: true)
      output = Convolution(scope / 3, from: channels, to: 1, bias: true)
      normAfter = BatchNorm(scope / 4, channels: 1)
    }

    func callAsFunction(_ x: Activation, in tape: Tape) -> Activation {
      let x = tape.rectified(hidden(normBefore(x, relu: false, inPlace: true, in: tape), recompute: true, in: tape))
      return tape.sigmoid(normAfter(output(x, in: tape), relu: false, inPlace: true, in: tape))
    }
  }
}
