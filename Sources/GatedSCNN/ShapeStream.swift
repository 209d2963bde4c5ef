import Layers
import Tensors

/// The shape stream (§3): processes boundary features at full resolution, gated by the backbone.
package struct ShapeStream {
  private let stages: [Stage]
  private let edgeConv: Convolution
  private let attentionConv: Convolution

  /// A residual block, a 1×1 convolution that halves the channels, and a gate driven by a backbone stage.
  private struct Stage {
    /// 1×1 convolution of the backbone stage to one channel.
    let sideConv: Convolution
    let block: BasicBlock
    let reduction: Convolution
    let gate: GatedConvolution
    let channels: Int

    /// `[N, H, W, channels]` → `[N, H, W, channels / 2]`
    ///
    /// - Parameter side: the side output of the backbone stage, `[N, H, W, 1]`.
    func callAsFunction(_ x: Activation, side: Activation, in tape: Tape) -> Activation {
      gate(reduction(block(x, in: tape), in: tape), by: side, in: tape)
    }
  }

  package init(_ scope: Scope) {
    // The side convolutions come first, in the order in which PyTorch's network registers them.
    let sideConvs = [(2, 512), (3, 1024), (4, 2048)].map { stage, channels in
      Convolution(scope / "res\(stage)_conv", from: channels, to: 1, bias: true)
    }
    stages = sideConvs.enumerated().map { index, sideConv in
      let channels = 64 >> index
      return Stage(
        sideConv: sideConv, block: BasicBlock(scope / "res\(index + 1)", channels: channels),
        reduction: Convolution(scope / "res\(index + 1)_pre", from: channels, to: channels / 2, bias: true),
        gate: GatedConvolution(scope / "gate\(index + 1)", channels: channels / 2), channels: channels)
    }
    edgeConv = Convolution(scope / "gate", from: 8, to: 1)
    attentionConv = Convolution(scope / "fuse", from: 2, to: 1)
  }

  /// In evaluation each stage runs in tiles of rows with a halo (`Tape+RowTiles.swift`).
  ///
  /// - Parameters:
  ///   - features: of the backbone; consumed, so that in evaluation each feature map is freed after its last use.
  ///   - canny: Canny edges of the image, 0 or 1, `[N, H, W, 1]`.
  /// - Returns: boundary probability and fusion attention, both `[N, H, W, 1]`.
  package func callAsFunction(
    _ features: consuming ResNet.Features, canny: Activation, in tape: Tape
  ) -> (edge: Activation, attention: Activation) {
    let size = canny.size
    let sides = sideOutputs(of: features, in: tape)
    // The rows of a stage's input: for the first stage the stem, interpolated tile by tile.
    var input = Self.rows(of: features.stem, interpolatedTo: size, in: tape)
    _ = consume features
    for (stage, side) in zip(stages, sides) {
      let side = tape.interpolate(side, to: size, alignCorners: true)
      let output = tape.inRowTiles(of: canny.shape.with(channels: stage.channels)) { rows in
        stage(input(rows), side: tape.slice(side, rows: rows), in: tape)
      }
      input = { tape.slice(output, rows: $0) }
    }
    let edge = tape.sigmoid(edgeConv(input(0..<size.height), in: tape))
    return (edge, tape.sigmoid(attentionConv(tape.concatenate(edge, canny), in: tape)))
  }

  /// The side outputs of the backbone's stages, `[N, ⌈H/8⌉, ⌈W/8⌉, 1]` each.
  private func sideOutputs(of features: ResNet.Features, in tape: Tape) -> [Activation] {
    zip(stages, [features.res2, features.res3, features.res4]).map { stage, feature in
      stage.sideConv(feature, in: tape)
    }
  }

  /// A function that computes the given rows of the interpolated stem. It holds the stem and not all features.
  private static func rows(
    of stem: Activation, interpolatedTo size: Size, in tape: Tape
  ) -> (Range<Int>) -> Activation {
    { rows in tape.interpolate(stem, to: size, alignCorners: true, rows: rows) }
  }
}

/// A basic residual block: two 3×3 convolutions and an identity shortcut, `[N, H, W, channels]` → the same shape.
struct BasicBlock {
  private let conv1: ConvBNReLU
  private let conv2: ConvBNReLU

  init(_ scope: Scope, channels: Int) {
    conv1 = ConvBNReLU(scope / "conv1", norm: scope / "bn1", from: channels, to: channels, kernel: 3)
    conv2 = ConvBNReLU(scope / "conv2", norm: scope / "bn2", from: channels, to: channels, kernel: 3)
  }

  func callAsFunction(_ x: Activation, in tape: Tape) -> Activation {
    conv2(conv1(x, in: tape), plus: x, recompute: true, in: tape)
  }
}
