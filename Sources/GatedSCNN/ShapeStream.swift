import Layers
import Tensors

/// The shape stream (§3.1): follows boundaries at full resolution and lets the trunk decide which of them matter.
package struct ShapeStream {
  private let stages: [Stage]
  private let toEdge: Convolution
  private let fuse: Convolution

  /// A residual block, a halving of the channels, and the gate by which a stage of the trunk is heard.
  private struct Stage {
    let side: Convolution
    let block: BasicBlock
    let narrow: Convolution
    let gate: GatedConvolution
    let channels: Int

    func callAsFunction(_ x: Activation, side: Activation, in pass: Pass) -> Activation {
      gate(narrow(block(x, in: pass), in: pass), by: side, in: pass)
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
  ///   - features: of the trunk; taken over, so that in evaluation each is let go as soon as it has been heard.
  ///   - canny: edges of the picture, 0 or 1, `[N, H, W, 1]`.
  /// - Returns: the probability of a boundary and the attention that fusion uses, both `[N, H, W, 1]`.
  package func callAsFunction(
    _ features: consuming ResNet.Features, canny: Activation, in pass: Pass
  ) -> (edge: Activation, attention: Activation) {
    let sides = sides(of: features, in: pass)
    var rows = Self.rows(of: features.stem, resizedTo: canny.size, in: pass)
    _ = consume features
    for (stage, side) in zip(stages, sides) {
      let side = pass.resized(side, to: canny.size, corners: .aligned)
      let output = pass.inBands(of: canny.shape.with(channels: stage.channels)) { band in
        stage(rows(band), side: pass.cut(band, of: side), in: pass)
      }
      rows = { pass.cut($0, of: output) }
    }
    let edge = pass.sigmoid(toEdge(rows(0..<canny.size.height), in: pass))
    return (edge, pass.sigmoid(fuse(pass.concatenated(edge, canny), in: pass)))
  }

  /// What each stage of the trunk has to say, `[N, ⌈H/8⌉, ⌈W/8⌉, 1]`.
  private func sides(of features: ResNet.Features, in pass: Pass) -> [Activation] {
    zip(stages, [features.res2, features.res3, features.res4]).map { stage, tap in stage.side(tap, in: pass) }
  }

  /// Makes some rows of the trunk's first features at the size of the picture.
  private static func rows(of stem: Activation, resizedTo size: Size, in pass: Pass) -> (Range<Int>) -> Activation {
    { rows in pass.resized(stem, to: size, corners: .aligned, rows: rows) }
  }
}

/// Two 3×3 convolutions and their input again.
struct BasicBlock {
  private let first: NormalisedConvolution
  private let second: NormalisedConvolution

  init(_ scope: Scope, channels: Int) {
    first = NormalisedConvolution(
      scope / "conv1", norm: scope / "bn1", from: channels, to: channels, kernel: 3)
    second = NormalisedConvolution(
      scope / "conv2", norm: scope / "bn2", from: channels, to: channels, kernel: 3)
  }

  func callAsFunction(_ x: Activation, in pass: Pass) -> Activation {
    second(first(x, in: pass), plus: x, remade: true, in: pass)
  }
}
