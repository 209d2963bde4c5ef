import GatedSCNN
import Weights

/// Loads models from weight files.
package enum ModelLoader {
  /// Loads the network of a weight file; its backbone follows from the names of the tensors.
  package static func read(_ path: String) throws -> GatedSCNN {
    let model = GatedSCNN(backbone(of: try Safetensors(contentsOf: path)), seed: 0)
    try ModelFile.load(path, into: model.store)
    return model
  }

  /// The backbone of a whole network, or of a backbone alone under timm's names.
  package static func backbone(of file: Safetensors) -> Backbone {
    // The third stage of ResNet-50 has six blocks, that of ResNet-101 has 23.
    let seventhBlock = "layer3.6.conv1.weight"
    return file[ModelFile.backbonePrefix + seventhBlock] ?? file[seventhBlock] == nil ? .resnet50 : .resnet101
  }
}
