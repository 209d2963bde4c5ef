import Layers
import Tensors

/// The depth of the backbone.
package enum Backbone: String, CaseIterable, Sendable {
  case resnet50
  case resnet101

  /// Bottleneck blocks of the four stages.
  var depths: [Int] {
    switch self {
    case .resnet50: [3, 4, 6, 3]
    case .resnet101: [3, 4, 23, 3]
    }
  }
}

/// The backbone (the regular stream of the paper): timm's `resnet50d` and `resnet101d` with an output stride of 8, the
/// last two stages dilated (He et al., CVPR 2016; stem and shortcuts of ResNet-D, He et al., CVPR 2019).
package struct ResNet {
  /// The feature maps that the rest of the network uses.
  package struct Features {
    /// Output of the stem, `[N, ⌈H/2⌉, ⌈W/2⌉, 64]`.
    package let stem: Activation
    /// Output of `layer1`, `[N, ⌈H/4⌉, ⌈W/4⌉, 256]`.
    package let res1: Activation
    /// Output of `layer2`, `[N, ⌈H/8⌉, ⌈W/8⌉, 512]`.
    package let res2: Activation
    /// Output of `layer3`, `[N, ⌈H/8⌉, ⌈W/8⌉, 1024]`.
    package let res3: Activation
    /// Output of `layer4`, `[N, ⌈H/8⌉, ⌈W/8⌉, 2048]`.
    package let res4: Activation
  }

  private let stem: [ConvBNReLU]
  private let stages: [[Bottleneck]]

  package init(_ scope: Scope, _ backbone: Backbone) {
    let conv1 = scope / "conv1"
    stem = [
      ConvBNReLU(
        conv1 / 0, norm: conv1 / 1, from: 3, to: 32, kernel: 3, stride: 2,
        initial: .kaimingNormalFanOut(kernel: 3, outputs: 32)),
      ConvBNReLU(
        conv1 / 3, norm: conv1 / 4, from: 32, to: 32, kernel: 3, initial: .kaimingNormalFanOut(kernel: 3, outputs: 32)),
      ConvBNReLU(
        conv1 / 6, norm: scope / "bn1", from: 32, to: 64, kernel: 3,
        initial: .kaimingNormalFanOut(kernel: 3, outputs: 64)),
    ]
    let shortcuts: [Bottleneck.Shortcut] = [
      .projection, .avgPool(stride: 2), .avgPool(stride: 1), .avgPool(stride: 1),
    ]
    let dilations = [(first: 1, rest: 1), (first: 1, rest: 1), (first: 1, rest: 2), (first: 2, rest: 4)]
    var channels = 64
    stages = backbone.depths.enumerated().map { stage, depth in
      (0..<depth).map { index in
        defer { channels = 256 << stage }
        return Bottleneck(
          scope / "layer\(stage + 1)" / index, from: channels, width: 64 << stage,
          stride: stage == 1 && index == 0 ? 2 : 1,
          dilation: index == 0 ? dilations[stage].first : dilations[stage].rest,
          shortcut: index == 0 ? shortcuts[stage] : .identity)
      }
    }
  }

  /// - Parameter image: the normalized image, `[N, H, W, 3]`.
  package func callAsFunction(_ image: Activation, in tape: Tape) -> Features {
    let features = stem.reduce(image) { x, layer in layer(x, in: tape) }
    var outputs: [Activation] = []
    var x = tape.maxPool3x3(features)
    for stage in stages {
      // Activation recomputation: only the last residual sum of a stage is stored. The backward pass recomputes the
      // others, each from the one before.
      for block in stage.dropLast() { x = block(x, recompute: true, in: tape) }
      if let last = stage.last { x = last(x, recompute: false, in: tape) }
      outputs.append(x)
    }
    return Features(stem: features, res1: outputs[0], res2: outputs[1], res3: outputs[2], res4: outputs[3])
  }
}

/// A bottleneck residual block: 1×1 to `width` channels, 3×3, 1×1 to four times `width`, plus the shortcut.
struct Bottleneck {
  /// The shortcut path of the residual sum.
  enum Shortcut: Equatable {
    case identity
    /// 1×1 convolution, batch norm.
    case projection
    /// 2×2 average pooling, 1×1 convolution, batch norm (ResNet-D).
    case avgPool(stride: Int)
  }

  private let conv1: ConvBNReLU
  private let conv2: ConvBNReLU
  private let conv3: ConvBNReLU
  private let downsample: ConvBNReLU?
  private let shortcut: Shortcut

  init(_ scope: Scope, from inputs: Int, width: Int, stride: Int, dilation: Int, shortcut: Shortcut) {
    self.shortcut = shortcut
    conv1 = ConvBNReLU(
      scope / "conv1", norm: scope / "bn1", from: inputs, to: width,
      initial: .kaimingNormalFanOut(kernel: 1, outputs: width))
    conv2 = ConvBNReLU(
      scope / "conv2", norm: scope / "bn2", from: width, to: width, kernel: 3, stride: stride, dilation: dilation,
      initial: .kaimingNormalFanOut(kernel: 3, outputs: width))
    // The last γ starts at zero: the initial block is its shortcut.
    conv3 = ConvBNReLU(
      scope / "conv3", norm: scope / "bn3", from: width, to: 4 * width,
      initial: .kaimingNormalFanOut(kernel: 1, outputs: 4 * width), gamma: 0)
    downsample =
      shortcut == .identity
      ? nil
      : ConvBNReLU(
        scope / "downsample" / 1, norm: scope / "downsample" / 2, from: inputs, to: 4 * width,
        initial: .kaimingNormalFanOut(kernel: 1, outputs: 4 * width))
  }

  /// `[N, H, W, inputs]` → `[N, ⌈H/stride⌉, ⌈W/stride⌉, 4 · width]`
  ///
  /// - Parameter recompute: whether the backward pass recomputes the residual sum instead of storing it.
  func callAsFunction(_ x: Activation, recompute: Bool, in tape: Tape) -> Activation {
    conv3(conv2(conv1(x, in: tape), in: tape), plus: shortcutPath(x, in: tape), recompute: recompute, in: tape)
  }

  private func shortcutPath(_ x: Activation, in tape: Tape) -> Activation {
    guard let downsample else { return x }
    return switch shortcut {
    case .identity, .projection: downsample(x, relu: false, in: tape)
    case .avgPool(let stride): downsample(tape.averagePool(x, stride: stride), relu: false, in: tape)
    }
  }
}
