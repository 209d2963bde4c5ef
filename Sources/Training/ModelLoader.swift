import Foundation
import GatedSCNN
import Weights

/// Models on disk.
package enum ModelLoader {
  /// The network that a weight file holds; its backbone is told by the names in it.
  package static func read(_ path: String) throws -> GatedSCNN {
    let file = try Safetensors(contentsOf: path)
    let isDeep = file["regular_stream.backbone.layer3.6.conv1.weight"] != nil
    let model = GatedSCNN(isDeep ? .resnet101 : .resnet50, seed: 0)
    try ModelFile.load(path, into: model.store)
    return model
  }
}
