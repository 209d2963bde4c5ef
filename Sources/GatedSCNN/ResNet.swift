import Layers
import Tensors

/// How deep the backbone is.
package enum Backbone: String, CaseIterable, Sendable {
  case resnet50
  case resnet101

  /// Bottlenecks of the four stages.
  var depths: [Int] {
    switch self {
    case .resnet50: [3, 4, 6, 3]
    case .resnet101: [3, 4, 23, 3]
    }
  }
}

/// The backbone: timm's `resnet50d` and `resnet101d` at an output stride of 8, the last two stages dilated (He et al.,
/// CVPR 2016, with the stem and shortcuts of He et al., CVPR 2019).
package struct ResNet {
  /// What the rest of the network takes from the backbone.
  package struct Features {
    /// `[N, ⌈H/2⌉, ⌈W/2⌉, 64]`
    package let stem: Activation
    /// `[N, ⌈H/4⌉, ⌈W/4⌉, 256]`
    package let res1: Activation
    /// `[N, ⌈H/8⌉, ⌈W/8⌉, 512]`
    package let res2: Activation
    /// `[N, ⌈H/8⌉, ⌈W/8⌉, 1024]`
    package let res3: Activation
    /// `[N, ⌈H/8⌉, ⌈W/8⌉, 2048]`
    package let res4: Activation
  }

  private let stem: [ConvBNReLU]
  private let stages: [[Bottleneck]]

  package init(_ scope: Scope, _ backbone: Backbone) {
    let conv1 = scope / "conv1"
    stem = [
      ConvBNReLU(
        conv1 / 0, norm: conv1 / 1, from: 3, to: 32, kernel: 3, stride: 2, initial: .kaimingNormalFanOut(kernel: 3, outputs: 32)),
      ConvBNReLU(
        conv1 / 3, norm: conv1 / 4, from: 32, to: 32, kernel: 3, initial: .kaimingNormalFanOut(kernel: 3, outputs: 32)),
      ConvBNReLU(
        conv1 / 6, norm: scope / "bn1", from: 32, to: 64, kernel: 3, initial: .kaimingNormalFanOut(kernel: 3, outputs: 64)),
    ]
    let shortcuts: [Bottleneck.Shortcut] = [.plain, .halved, .averaged, .averaged]
    let dilations = [(1, 1), (1, 1), (1, 2), (2, 4)]
    var channels = 64
    stages = backbone.depths.enumerated().map { stage, depth in
      (0..<depth).map { index in
        defer { channels = 256 << stage }
        return Bottleneck(
          scope / "layer\(stage + 1)" / index, from: channels, width: 64 << stage,
          stride: stage == 1 && index == 0 ? 2 : 1, dilation: index == 0 ? dilations[stage].0 : dilations[stage].1,
          shortcut: index == 0 ? shortcuts[stage] : .identity)
      }
    }
  }

  /// - Parameter image: the normalized image, `[N, H, W, 3]`.
  package func callAsFunction(_ image: Activation, in tape: Tape) -> Features {
    let features = stem.reduce(image) { $1($0, in: tape) }
    var outputs: [Activation] = []
    var x = tape.maxPooled(features)
    for stage in stages {
      // What blocks inside of a stage add up the backward pass makes again, one from the other, once it has come to the stage.
      for block in stage.dropLast() { x = block(x, recompute: true, in: tape) }
      if let last = stage.last { x = last(x, recompute: false, in: tape) }
      outputs.append(x)
    }
    return Features(stem: features, res1: outputs[0], res2: outputs[1], res3: outputs[2], res4: outputs[3])
  }
}

/// Three convolutions around a shortcut: 1×1 to `width`, 3×3, 1×1 to four times `width`.
struct Bottleneck {
  /// What stands beside the convolutions.
  enum Shortcut {
    case identity
    /// 1×1, batch norm.
    case plain
    /// Average over 2×2 at every second pixel, 1×1, batch norm.
    case halved
    /// Average over 2×2 at every pixel, 1×1, batch norm.
    case averaged
  }

  private let reduce: ConvBNReLU
  private let spread: ConvBNReLU
  private let expand: ConvBNReLU
  private let project: ConvBNReLU?
  private let shortcut: Shortcut

  init(_ scope: Scope, from inputs: Int, width: Int, stride: Int, dilation: Int, shortcut: Shortcut) {
    self.shortcut = shortcut
    reduce = ConvBNReLU(
      scope / "conv1", norm: scope / "bn1", from: inputs, to: width, initial: .kaimingNormalFanOut(kernel: 1, outputs: width))
    spread = ConvBNReLU(
      scope / "conv2", norm: scope / "bn2", from: width, to: width, kernel: 3, stride: stride, dilation: dilation,
      initial: .kaimingNormalFanOut(kernel: 3, outputs: width))
    // A last scale of zero: at the start the block is its shortcut.
    expand = ConvBNReLU(
      scope / "conv3", norm: scope / "bn3", from: width, to: 4 * width,
      initial: .kaimingNormalFanOut(kernel: 1, outputs: 4 * width), gamma: 0)
    project =
      shortcut == .identity
      ? nil
      : ConvBNReLU(
        scope / "downsample" / 1, norm: scope / "downsample" / 2, from: inputs, to: 4 * width,
        initial: .kaimingNormalFanOut(kernel: 1, outputs: 4 * width))
  }

  /// - Parameter recompute: whether the backward pass has the output made again from the convolutions' and the shortcut's.
  func callAsFunction(_ x: Activation, recompute: Bool, in tape: Tape) -> Activation {
    expand(spread(reduce(x, in: tape), in: tape), plus: shortcutPath(x, in: tape), recompute: recompute, in: tape)
  }

  private func shortcutPath(_ x: Activation, in tape: Tape) -> Activation {
    guard let project else { return x }
    return switch shortcut {
    case .identity, .plain: project(x, relu: false, in: tape)
    case .halved: project(tape.averagedToHalf(x), relu: false, in: tape)
    case .averaged: project(tape.averagedInPlace(x), relu: false, in: tape)
    }
  }
}

extension Initializer {
  /// Normal with variance 2 / fan_out, as timm initializes its backbones.
  static func kaimingNormalFanOut(kernel: Int, outputs: Int) -> Initializer {
    .normal(deviation: (2 / Float(kernel * kernel * outputs)).squareRoot())
  }
}
