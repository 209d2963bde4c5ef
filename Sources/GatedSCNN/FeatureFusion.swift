import Layers
import Tensors

/// The fusion module (§3): atrous spatial pyramid pooling (ASPP; Chen et al., 2017) over the last backbone stage,
/// with the attention of the shape stream as a sixth branch, followed by a low-level skip connection.
///
/// ASPP branches: 1×1, 3×3 at atrous rates 12, 24 and 36 (twice the usual rates, for an output stride of 8),
/// image-level pooling, and the boundary branch.
package struct FeatureFusion {
  private let conv1x1: ConvBNReLU
  private let atrous: [ConvBNReLU]
  private let imagePooling: ConvBNReLU
  private let boundary: ConvBNReLU
  private let projection: Convolution
  private let lowLevel: Convolution

  package init(_ scope: Scope) {
    let convs = scope / "convs"
    conv1x1 = ConvBNReLU(convs / 0 / 0, norm: convs / 0 / 1, from: 2048, to: 256)
    atrous = [12, 24, 36].enumerated().map { index, rate in
      ConvBNReLU(
        convs / (index + 1) / 0, norm: convs / (index + 1) / 1, from: 2048, to: 256, kernel: 3, dilation: rate)
    }
    imagePooling = ConvBNReLU(convs / 4 / 1, norm: convs / 4 / 2, from: 2048, to: 256)
    boundary = ConvBNReLU(scope / "shape_conv" / 0, norm: scope / "shape_conv" / 1, from: 1, to: 256)
    projection = Convolution(scope / "project", from: 6 * 256, to: 256)
    lowLevel = Convolution(scope / "fine", from: 256, to: 48)
  }

  /// - Parameters:
  ///   - low: res1, `[N, ⌈H/4⌉, ⌈W/4⌉, 256]`.
  ///   - high: res4, `[N, ⌈H/8⌉, ⌈W/8⌉, 2048]`.
  ///   - attention: of the shape stream, `[N, H, W, 1]`.
  /// - Returns: `[N, ⌈H/4⌉, ⌈W/4⌉, 304]`: 256 channels of ASPP and 48 of the skip connection.
  package func callAsFunction(
    low: Activation, high: Activation, attention: Activation, in tape: Tape
  ) -> Activation {
    let branches =
      [conv1x1(high, in: tape)] + atrous.map { $0(high, in: tape) } + [
        tape.interpolate(imagePooling(tape.globalAveragePool(high), in: tape), to: high.size, alignCorners: false),
        boundary(tape.interpolate(attention, to: high.size, alignCorners: true), in: tape),
      ]
    let aspp = tape.interpolate(
      projection(tape.concatenate(branches), in: tape), to: low.size, alignCorners: true)
    return tape.concatenate(aspp, lowLevel(low, in: tape))
  }
}
