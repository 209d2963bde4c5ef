import Layers
import Tensors

/// The gated convolutional layer (GCL; §3.1, equations 1 and 2): attention from the backbone gates the shape stream.
///
/// With s the feature of the shape stream, r the backbone feature reduced to one channel, and ‖ concatenation:
///
///     α = σ(BN(1×1(ReLU(1×1(BN(s ‖ r))))))     (1)
///     ŝ = 1×1(s · α + s)                       (2)
///
/// The backward pass recomputes everything but s and the single-channel tensors that lead to α (activation
/// recomputation): at full resolution a 1×1 convolution of a few dozen channels is cheap compared with the memory of
/// its output.
struct GatedConvolution {
  private let attention: Attention
  private let convolution: Convolution

  /// - Parameter channels: of the feature that is gated.
  init(_ scope: Scope, channels: Int) {
    convolution = Convolution(scope, from: channels, to: channels)
    attention = Attention(scope / "attention", channels: channels + 1)
  }

  /// - Parameters:
  ///   - feature: s, `[N, H, W, channels]`.
  ///   - side: r, `[N, H, W, 1]`.
  /// - Returns: ŝ, `[N, H, W, channels]`.
  func callAsFunction(_ feature: Activation, by side: Activation, in tape: Tape) -> Activation {
    let attention = attention(tape.concatenate(feature, side), in: tape)
    return convolution(tape.gate(feature, by: attention), recompute: true, in: tape)
  }

  /// Equation 1 after the concatenation.
  private struct Attention {
    let inputNorm: BatchNorm
    let hidden: Convolution
    let output: Convolution
    let outputNorm: BatchNorm

    init(_ scope: Scope, channels: Int) {
      inputNorm = BatchNorm(scope / 0, channels: channels)
      hidden = Convolution(scope / 1, from: channels, to: channels, bias: true)
      output = Convolution(scope / 3, from: channels, to: 1, bias: true)
      outputNorm = BatchNorm(scope / 4, channels: 1)
    }

    /// `[N, H, W, channels]` → `[N, H, W, 1]`
    func callAsFunction(_ x: Activation, in tape: Tape) -> Activation {
      let x = tape.relu(hidden(inputNorm(x, relu: false, inPlace: true, in: tape), recompute: true, in: tape))
      return tape.sigmoid(outputNorm(output(x, in: tape), relu: false, inPlace: true, in: tape))
    }
  }
}
