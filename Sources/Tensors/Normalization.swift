/// How the bytes of an image become the numbers that a network takes: `(byte / 255 − mean) / deviation` of each channel.
///
/// A network is evaluated with the normalization that it was trained with, and a pretrained backbone is trained on with
/// that of its own training.
package enum Normalization: String, Codable, CaseIterable, Sendable {
  /// Mean and standard deviation of ImageNet, which most backbones were trained with.
  case imagenet
  /// 0.5 for all of them: numbers from −1 to 1. Some of timm's later backbones, and PaddleSeg's networks.
  case half

  /// Of red, green and blue, in units of 255.
  package var mean: [Float] {
    switch self {
    case .imagenet: [0.485, 0.456, 0.406]
    case .half: [0.5, 0.5, 0.5]
    }
  }

  /// Of red, green and blue, in units of 255.
  package var deviation: [Float] {
    switch self {
    case .imagenet: [0.229, 0.224, 0.225]
    case .half: [0.5, 0.5, 0.5]
    }
  }
}
