import Layers
import Tensors

/// The fusion module (§3.2): what the backbone sees at several ranges, together with the boundaries.
package struct FeatureFusion {
  private let near: ConvBNReLU
  private let atrous: [ConvBNReLU]
  private let pooled: ConvBNReLU
  private let shape: ConvBNReLU
  private let project: Convolution
  private let fine: Convolution

  package init(_ scope: Scope) {
    let convs = scope / "convs"
    near = ConvBNReLU(convs / 0 / 0, norm: convs / 0 / 1, from: 2048, to: 256)
    atrous = [12, 24, 36].enumerated().map { index, rate in
      ConvBNReLU(
        convs / (index + 1) / 0, norm: convs / (index + 1) / 1, from: 2048, to: 256, kernel: 3, dilation: rate)
    }
    pooled = ConvBNReLU(convs / 4 / 1, norm: convs / 4 / 2, from: 2048, to: 256)
    shape = ConvBNReLU(scope / "shape_conv" / 0, norm: scope / "shape_conv" / 1, from: 1, to: 256)
    project = Convolution(scope / "project", from: 6 * 256, to: 256)
    fine = Convolution(scope / "fine", from: 256, to: 48)
  }

  /// - Parameters:
  ///   - low: res1, `[N, ⌈H/4⌉, ⌈W/4⌉, 256]`.
  ///   - high: res4, `[N, ⌈H/8⌉, ⌈W/8⌉, 2048]`.
  ///   - attention: of the shape stream, `[N, H, W, 1]`.
  /// - Returns: `[N, ⌈H/4⌉, ⌈W/4⌉, 304]`
  package func callAsFunction(
    low: Activation, high: Activation, attention: Activation, in tape: Tape
  ) -> Activation {
    let parts =
      [near(high, in: tape)] + atrous.map { $0(high, in: tape) } + [
        tape.resized(pooled(tape.averaged(high), in: tape), to: high.size, corners: .halfPixel),
        shape(tape.resized(attention, to: high.size, corners: .aligned), in: tape),
      ]
    let coarse = tape.resized(project(tape.concatenated(parts), in: tape), to: low.size, corners: .aligned)
    return tape.concatenated(coarse, fine(low, in: tape))
  }
}
