import Layers
import Tensors

/// Gated-SCNN (Takikawa, Acuna, Jampani, Fidler: Gated Shape CNNs for Semantic Segmentation, ICCV 2019): a backbone that
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

  package let backboneType: Backbone
  /// Parameters and running statistics under PyTorch's names.
  package let store: ParameterStore

  private let backbone: ResNet
  private let shapeStream: ShapeStream
  private let fusion: FeatureFusion
  private let head: [ConvBNReLU]
  private let classifier: Convolution

  /// - Parameter seed: chooses the initial weights.
  package init(_ backboneType: Backbone, seed: UInt64) {
    self.backboneType = backboneType
    let store = ParameterStore()
    self.store = store
    let root = store.root
    backbone = ResNet(root / "regular_stream" / "backbone", backboneType)
    shapeStream = ShapeStream(root / "shape_stream")
    fusion = FeatureFusion(root / "feature_fusion")
    let seg = root / "seg"
    head = [
      ConvBNReLU(seg / 0, norm: seg / 1, from: 304, to: 256, kernel: 3),
      ConvBNReLU(seg / 3, norm: seg / 4, from: 256, to: 256, kernel: 3),
    ]
    classifier = Convolution(seg / 6, from: 256, to: Self.classes)
    store.allocate(seed: seed)
  }

  /// - Parameters:
  ///   - image: RGB, normalized, `[N, H, W, 3]`.
  ///   - canny: edges of the 8-bit image, 0 or 1, `[N, H, W, 1]`.
  package func callAsFunction(image: Tensor, canny: Tensor, in tape: Tape) -> Output {
    let canny = Activation(canny)
    let (fused, edge) = fused(image: Activation(image), canny: canny, in: tape)
    let scores = classifier(head.reduce(fused) { $1($0, in: tape) }, in: tape)
    return Output(logits: tape.resized(scores, to: canny.size, corners: .halfPixel), edge: edge)
  }

  /// What backbone and shape stream see together. That nothing else of them is in anybody's hands afterwards makes room for
  /// the head.
  private func fused(
    image: Activation, canny: Activation, in tape: Tape
  ) -> (features: Activation, edge: Activation) {
    let features = backbone(image, in: tape)
    let (low, high) = (features.res1, features.res4)
    let (edge, attention) = shapeStream(consume features, canny: canny, in: tape)
    return (fusion(low: low, high: high, attention: attention, in: tape), edge)
  }
}
