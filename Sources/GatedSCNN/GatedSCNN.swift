import Layers
import Microkernels
import Tensors

/// Gated-SCNN (Takikawa, Acuna, Jampani, Fidler: Gated-SCNN: Gated Shape CNNs for Semantic Segmentation, ICCV 2019): a
/// regular stream (the backbone) and a shape stream, joined by gated convolutional layers, then the fusion module with
/// ASPP and a segmentation head. Section numbers (§) in this folder are those of the paper.
package struct GatedSCNN {
  /// The output for a batch.
  package struct Output {
    /// Class scores, `[N, H, W, classes]`.
    package let logits: Activation
    /// Boundary probability, `[N, H, W, 1]`.
    package let edge: Activation

    package init(logits: Activation, edge: Activation) {
      self.logits = logits
      self.edge = edge
    }
  }

  /// The classes of Cityscapes.
  package static let cityscapesClasses = 19

  /// Number of classes.
  package let classes: Int
  package let backboneType: Backbone
  /// Of the images that it is trained with, and so of those that it predicts.
  package let normalization: Normalization
  /// Of activations and their gradients, and of the products that gain by it. It is a property of the computation, not of
  /// the weights, which are in single precision.
  package let precision: Precision
  /// Parameters and buffers, with PyTorch's names.
  package let store: ParameterStore

  private let backbone: ResNet
  private let shapeStream: ShapeStream
  private let fusion: FeatureFusion
  private let head: [ConvBNReLU]
  private let classifier: Convolution

  /// - Parameters:
  ///   - classes: 2 or more.
  ///   - seed: of the initial weights; nil: they are zeros, to be loaded, which saves more than a second.
  package init(
    _ backboneType: Backbone, classes: Int = cityscapesClasses, seed: UInt64?, normalization: Normalization = .imagenet,
    precision: Precision = .float32
  ) {
    self.precision = precision
    self.classes = classes
    self.backboneType = backboneType
    self.normalization = normalization
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
    classifier = Convolution(seg / 6, from: 256, to: classes)
    store.allocate(seed: seed)
  }

  /// - Parameters:
  ///   - image: RGB, normalized, `[N, H, W, 3]`.
  ///   - canny: Canny edges of the 8-bit image, 0 or 1, `[N, H, W, 1]`.
  ///   - tape: of the network's precision.
  ///   - onAttention: receives the attention of the shape stream, `[N, H, W, 1]`. Who keeps it keeps its memory.
  package func callAsFunction(
    image: Tensor, canny: Tensor, in tape: Tape, onAttention: ((Activation) -> Void)? = nil
  ) -> Output {
    precondition(tape.precision == precision)
    let canny = Activation(canny)
    let (fused, edge) = fusedFeatures(image: Activation(image), canny: canny, in: tape, onAttention)
    let scores = classifier(head.reduce(fused) { x, layer in layer(x, in: tape) }, in: tape)
    // Losses and predictions read the class scores in single precision.
    let logits = tape.interpolate(scores, to: canny.size, alignCorners: false, precision: .float32)
    return Output(logits: logits, edge: edge)
  }

  /// Backbone, shape stream and fusion. A separate function, so that their activations are released before the head
  /// runs.
  private func fusedFeatures(
    image: Activation, canny: Activation, in tape: Tape, _ onAttention: ((Activation) -> Void)?
  ) -> (features: Activation, edge: Activation) {
    let features = backbone(image, in: tape)
    let (low, high) = (features.res1, features.res4)
    let (edge, attention) = shapeStream(consume features, canny: canny, in: tape)
    onAttention?(attention)
    return (fusion(low: low, high: high, attention: attention, in: tape), edge)
  }
}
