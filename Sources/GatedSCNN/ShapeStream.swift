import Layers
import Tensors

/// The shape stream (§3.1): follows boundaries at full resolution and lets the backbone decide which of them matter.
package struct ShapeStream {
  private let stages: [Stage]
  private let toEdge: Convolution
  private let fuse: Convolution

  /// A residual block, a halving of the channels, and the gate by which a stage of the backbone is heard.
  private struct Stage {
    let side: Convolution
    let block: BasicBlock
    let narrow: Convolution
    let gate: GatedConvolution
    let channels: Int

    func callAsFunction(_ x: Activation, side: Activation, in tape: Tape) -> Activation {
      gate(narrow(block(x, in: tape), in: tape), by: side, in: tape)
    }
  }

  package init(_ scope: Scope) {
    // The side outputs come first because PyTorch's network registers them first.
    let sides = [(2, 512), (3, 1024), (4, 2048)].map { stage, channels in
      Convolution(scope / "res\(stage)_conv", from: channels, to: 1, bias: true)
    }
    stages = sides.enumerated().map { index, side in
      let channels = 64 >> index
      return Stage(
        side: side, block: BasicBlock(scope / "res\(index + 1)", channels: channels),
        narrow: Convolution(scope / "res\(index + 1)_pre", from: channels, to: channels / 2, bias: true),
        gate: GatedConvolution(scope / "gate\(index + 1)", channels: channels / 2), channels: channels)
    }
    toEdge = Convolution(scope / "gate", from: 8, to: 1)
    fuse = Convolution(scope / "fuse", from: 2, to: 1)
  }

  /// - Parameters:
  ///   - features: of the backbone; taken over, so that in evaluation each is let go as soon as it has been heard.
  ///   - canny: edges of the image, 0 or 1, `[N, H, W, 1]`.
  /// - Returns: the probability of a boundary and the attention that fusion uses, both `[N, H, W, 1]`.
  package func callAsFunction(
    _ features: consuming ResNet.Features, canny: Activation, in tape: Tape
  ) -> (edge: Activation, attention: Activation) {
    let sides = sides(of: features, in: tape)
    var rows = Self.rows(of: features.stem, resizedTo: canny.size, in: tape)
    _ = consume features
    for (stage, side) in zip(stages, sides) {
      let side = tape.resized(side, to: canny.size, corners: .aligned)
      let output = tape.inRowTiles(of: canny.shape.with(channels: stage.channels)) { band in
        stage(rows(band), side: tape.cut(band, of: side), in: tape)
      }
      rows = { tape.cut($0, of: output) }
    }
    let edge = tape.sigmoid(toEdge(rows(0..<canny.size.height), in: tape))
    return (edge, tape.sigmoid(fuse(tape.concatenated(edge, canny), in: tape)))
  }

  /// What each stage of the backbone has to say, `[N, ⌈H/8⌉, ⌈W/8⌉, 1]`.
  private func sides(of features: ResNet.Features, in tape: Tape) -> [Activation] {
    zip(stages, [features.res2, features.res3, features.res4]).map { stage, tap in stage.side(tap, in: tape) }
  }

  /// Makes some rows of the backbone's first features at the size of the image.
  private static func rows(of stem: Activation, resizedTo size: Size, in tape: Tape) -> (Range<Int>) -> Activation {
    { rows in tape.resized(stem, to: size, corners: .aligned, rows: rows) }
  }
}

/// Two 3×3 convolutions and their input again.
struct BasicBlock {
  private let first: ConvBNReLU
  private let second: ConvBNReLU

  init(_ scope: Scope, channels: Int) {
    first = ConvBNReLU(
      scope / "conv1", norm: scope / "bn1", from: channels, to: channels, kernel: 3)
    second = ConvBNReLU(
      scope / "conv2", norm: scope / "bn2", from: channels, to: channels, kernel: 3)
  }

  func callAsFunction(_ x: Activation, in tape: Tape) -> Activation {
    second(first(x, in: tape), plus: x, recompute: true, in: tape)
  }
}
