import GatedSCNN
import Weights

/// Loads models from weight files.
package enum ModelLoader {
  /// Loads the network of a weight file; its backbone follows from the names of the tensors, and the normalization of images
  /// from its metadata.
  package static func read(_ path: String) throws -> GatedSCNN {
    let file = try StateDict(contentsOf: path)
    let model = GatedSCNN(
      try NameMatch(file).map(backbone) ?? .resnet50, seed: 0, normalization: try file.normalization ?? .imagenet)
    try ModelFile.load(file, into: model.store)
    return model
  }

  /// The backbone of a whole network, or of a backbone alone.
  package static func backbone(of file: NameMatch) -> Backbone { file.blocksInStage3 > 6 ? .resnet101 : .resnet50 }
}
