import Layers
import Tensors

/// Gated-SCNN (Takikawa, Acuna, Jampani, Fidler: Gated Shape CNNs for Semantic Segmentation, ICCV 2019): a trunk that
/// knows classes, a stream that knows boundaries, and gates between them.
package struct GatedSCNN {
  /// What the network says about a batch.
  package struct Output {
    /// `[N, H, W, 19]`
    package let logits: Activation
    /// Probability of a boundary, `[N, H, W, 1]`
    package let edge: Activation
  }

  package static let classes = 19

  package let backbone: Backbone
  /// Parameters and running statistics under PyTorch's names.
  package let store: ParameterStore

  private let trunk: ResNet
  private let shapeStream: ShapeStream
  private let fusion: FeatureFusion
  private let head: [NormalisedConvolution]
  private let classifier: Convolution

  /// - Parameter seed: chooses the initial weights.
  package init(_ backbone: Backbone, seed: UInt64) {
    self.backbone = backbone
    let store = ParameterStore()
    self.store = store
    let root = store.root
    trunk = ResNet(root / "regular_stream" / "backbone", backbone)
    shapeStream = ShapeStream(root / "shape_stream")
    fusion = FeatureFusion(root / "feature_fusion")
    let seg = root / "seg"
    head = [
      NormalisedConvolution(seg / 0, norm: seg / 1, from: 304, to: 256, kernel: 3),
      NormalisedConvolution(seg / 3, norm: seg / 4, from: 256, to: 256, kernel: 3),
    ]
    classifier = Convolution(seg / 6, from: 256, to: Self.classes)
    store.seal(seed: seed)
  }

  /// - Parameters:
  ///   - image: RGB, normalised, `[N, H, W, 3]`.
  ///   - canny: edges of the 8-bit picture, 0 or 1, `[N, H, W, 1]`.
  package func callAsFunction(image: Tensor, canny: Tensor, in pass: Pass) -> Output {
    let canny = Activation(canny)
    let (fused, edge) = fused(image: Activation(image), canny: canny, in: pass)
    let scores = classifier(head.reduce(fused) { $1($0, in: pass) }, in: pass)
    return Output(logits: pass.resized(scores, to: canny.size, corners: .halfPixel), edge: edge)
  }

  /// What trunk and shape stream see together. That nothing else of them is in anybody's hands afterwards makes room for
  /// the head.
  private func fused(
    image: Activation, canny: Activation, in pass: Pass
  ) -> (features: Activation, edge: Activation) {
    let features = trunk(image, in: pass)
    let (low, high) = (features.res1, features.res4)
    let (edge, attention) = shapeStream(consume features, canny: canny, in: pass)
    return (fusion(low: low, high: high, attention: attention, in: pass), edge)
  }
}
