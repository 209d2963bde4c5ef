import ArgumentParser
import Cityscapes
import Distributed
import Foundation
import Inference

/// What the labels of the data set are.
struct ClassesOptions: ParsableArguments {
  @Option(
    help: .value(
      "file",
      "JSON file with the classes of another data set than Cityscapes and the names of its files (default: those that the model carries, or Cityscapes)."
    ))
  var classes: String?

  /// The table of the file, nil without one. Rank 0's file counts: disks may differ. Collective.
  func table(_ communicator: Communicator) throws -> LabelTable? {
    guard let classes else { return nil }
    guard communicator.size > 1 else { return try LabelTable(contentsOf: classes) }
    let text = try communicator.rank == 0 ? LabelTable(contentsOf: classes).text : ""
    return try LabelTable(
      text: String(decoding: communicator.broadcast(Array(text.utf8)), as: UTF8.self), in: classes)
  }

  /// The table of the classes of a model, which may carry its own. Collective.
  func table(of weights: ModelOptions, _ communicator: Communicator) throws -> LabelTable {
    let asked = try table(communicator).flatMap { table in classes.map { (table: table, file: $0) } }
    return try communicator.collectively { try ModelLoader.table(of: weights.modelWeight, asked: asked) }
  }
}
