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
  ///   - stem: first features of the trunk, `[N, ⌈H/2⌉, ⌈W/2⌉, 64]`.
  ///   - taps: res2, res3, res4, `[N, ⌈H/8⌉, ⌈W/8⌉, 512 | 1024 | 2048]`.
  ///   - canny: edges of the picture, 0 or 1, `[N, H, W, 1]`.
  /// - Returns: the probability of a boundary and the attention that fusion uses, both `[N, H, W, 1]`.
  package func callAsFunction(
    stem: Activation, taps: [Activation], canny: Activation, in pass: Pass
  ) -> (edge: Activation, attention: Activation) {
    var rows = { (rows: Range<Int>) in pass.resized(stem, to: canny.size, corners: .aligned, rows: rows) }
    for (stage, tap) in zip(stages, taps) {
      let side = pass.resized(stage.side(tap, in: pass), to: canny.size, corners: .aligned)
      let output = pass.inBands(of: canny.shape.with(channels: stage.channels)) { band in
        stage(rows(band), side: pass.cut(band, of: side), in: pass)
      }
      rows = { pass.cut($0, of: output) }
    }
    let edge = pass.sigmoid(toEdge(rows(0..<canny.size.height), in: pass))
    return (edge, pass.sigmoid(fuse(pass.concatenated(edge, canny), in: pass)))
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
