import Cityscapes
import Weights

extension LabelTable {
  /// The key of the description in the metadata of a model.
  package static let metadataKey = "data_set"

  /// What the files of models and checkpoints say about their classes; nothing for Cityscapes.
  package var metadata: [String: String] { isCityscapes ? [:] : [Self.metadataKey: text] }

  /// The classes that a weight file carries; nil if it carries none.
  ///
  /// - Throws: `LabelTableError` if it carries something else under their key.
  package static func carried(by file: StateDict) throws -> LabelTable? {
    guard file.format == .safetensors, let text = file.metadata[metadataKey] else { return nil }
    return try LabelTable(text: text, in: "\(file.path): metadata \(metadataKey)")
  }
}
