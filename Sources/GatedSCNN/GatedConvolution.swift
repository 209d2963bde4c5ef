import Layers
import Tensors

/// The gated convolution layer (§3.1, equations 1 and 2): the trunk tells the shape stream where to look.
///
/// a = σ(BN(1×1(ReLU(1×1(BN(feature ⊕ side)))))), out = 1×1(feature · (1 + a))
///
/// At full resolution a product of a few dozen channels is cheap beside the memory that its result takes: what is kept for
/// the way back is the feature and, of one channel, what leads to the attention; the rest is made again.
struct GatedConvolution {
  private let attention: Attention
  private let convolution: Convolution

  /// - Parameter channels: of the feature that is gated; the side output has one.
  init(_ scope: Scope, channels: Int) {
    convolution = Convolution(scope, from: channels, to: channels)
    attention = Attention(scope / "attention", channels: channels + 1)
  }

  func callAsFunction(_ feature: Activation, by side: Activation, in pass: Pass) -> Activation {
    let attention = attention(pass.concatenated(feature, side), in: pass)
    return convolution(pass.gated(feature, by: attention), remade: true, in: pass)
  }

  private struct Attention {
    let normBefore: BatchNormalisation
    let hidden: Convolution
    let output: Convolution
    let normAfter: BatchNormalisation

    init(_ scope: Scope, channels: Int) {
      normBefore = BatchNormalisation(scope / 0, channels: channels)
      hidden = Convolution(scope / 1, from: channels, to: channels, bias: true)
      output = Convolution(scope / 3, from: channels, to: 1, bias: true)
      normAfter = BatchNormalisation(scope / 4, channels: 1)
    }

    func callAsFunction(_ x: Activation, in pass: Pass) -> Activation {
      let x = pass.rectified(hidden(normBefore(x, rectify: false, inPlace: true, in: pass), remade: true, in: pass))
      return pass.sigmoid(normAfter(output(x, in: pass), rectify: false, inPlace: true, in: pass))
    }
  }
}
