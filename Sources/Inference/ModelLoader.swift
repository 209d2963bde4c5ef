import Cityscapes
import GatedSCNN
import Microkernels
import Weights

/// Loads models from weight files.
package enum ModelLoader {
  /// Loads the network of a weight file; its backbone follows from the names of the tensors, and the normalization of images
  /// from its metadata.
  ///
  /// - Parameters:
  ///   - table: of the classes, as `table(of:asked:)` returns it.
  ///   - precision: of the computation.
  package static func read(
    _ path: String, _ table: LabelTable = .cityscapes, precision: Precision = .float32
  ) throws -> GatedSCNN {
    let file = try StateDict(contentsOf: path)
    let model = GatedSCNN(
      try NameMatch(file).map(backbone) ?? .resnet50, classes: table.classes.count, seed: nil,
      normalization: try file.normalization ?? .imagenet,
      precision: precision)
    try ModelFile.load(file, into: model.store)
    return model
  }

  /// The classes of a weight file: those that it carries, or those that are asked for if they do not contradict them. A
  /// network with 19 outputs that carries none is one of Cityscapes.
  ///
  /// - Parameter asked: the table of `--classes`, and its file.
  /// - Throws: `LabelTableError`. What else keeps the file from being read is reported by `read`.
  package static func table(
    of path: String, asked: (table: LabelTable, file: String)?
  ) throws -> LabelTable {
    guard let file = try? StateDict(contentsOf: path) else { return asked?.table ?? .cityscapes }
    if let carried = try LabelTable.carried(by: file) {
      guard let asked else { return carried }
      if let problem = asked.table.contradiction(to: carried, of: path) {
        throw LabelTableError(
          path: asked.file, key: "classes", problem: problem,
          remedy: "leave out --classes, which the model carries, or give the file that it was trained with")
      }
      return asked.table
    }
    let table = asked?.table ?? .cityscapes
    guard let outputs = (try? outputs(of: file)) ?? nil, outputs != table.classes.count else { return table }
    guard let asked else {
      throw LabelTableError(
        path: path, key: "", problem: "has \(outputs) classes and does not say which",
        remedy: "give the JSON file that describes them as --classes")
    }
    throw LabelTableError(
      path: asked.file, key: "classes", problem: "has \(table.classes.count) entries, but \(path) \(outputs) outputs",
      remedy: "give the classes of this model")
  }

  /// How many classes the network of a file predicts; nil if it holds no classifier.
  package static func outputs(of file: StateDict) throws -> Int? {
    try NameMatch(file)?.entries["seg.6.weight"].flatMap { $0.tensor.shape.first }
  }

  /// The backbone of a whole network, or of a backbone alone.
  package static func backbone(of file: NameMatch) -> Backbone { file.blocksInStage3 > 6 ? .resnet101 : .resnet50 }
}
