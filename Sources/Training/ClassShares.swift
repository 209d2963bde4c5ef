import Cityscapes
import Distributed
import Foundation
import GatedSCNN

extension JointLoss.Configuration {
  /// The same with the class weights of the training split, if they are to be taken from it. Collective.
  func resolved(
    for dataset: TrainingDataset, _ table: LabelTable, communicator: Communicator, threads: Int
  ) throws -> Self {
    guard classWeights == .split else { return self }
    let pixels = try dataset.trainingPixels(of: table, communicator: communicator, threads: threads)
    let total = pixels.reduce(0, +)
    guard total > 0 else {
      throw OptionError(
        "--class-weights", "split",
        "the labels of the training split have no pixel of a class; correct them, or give a "
          + "weight for each class")
    }
    // The logarithm of one host may differ from that of another: rank 0 decides.
    let resolved = resolved(shares: pixels.map { Double($0) / Double(total) })
    return communicator.allGather(resolved)[0]
  }

  /// What a user of these options should know, in lines of text: the class weights that were found, and hard example
  /// mining that leaves no pixel out.
  func notes(_ options: TrainingOptions) -> [String] {
    var notes: [String] = []
    if options.loss.classWeights == .split, case .given(let weights) = classWeights {
      let named = zip(options.table.classes, weights).map { "\($0.name) " + String(format: "%.2f", $1) }
      notes.append("class weights: \(named.joined(separator: ", "))")
    }
    let pixels = options.cropHeight * options.cropWidth
    if let mining, mining.minimumKept >= pixels {
      notes.append(
        "--ohem has no effect: it keeps at least \(mining.minimumKept) pixels of an image, and a crop has \(pixels); "
          + "give a smaller number, for example --ohem \(mining.threshold),\(pixels / 4)")
    }
    return notes
  }
}

extension TrainingDataset {
  /// The pixels of each class in the labels of the training split, as the prepared maps say them, or as the survey of
  /// their classes counts them. Collective.
  package func trainingPixels(
    of table: LabelTable, communicator: Communicator, threads: Int
  ) throws -> [Int] {
    if let labels = maps?.labels[.train] { return table.classes.map { labels.pixels[Int($0.id)] } }
    return try classCentroids(communicator: communicator, threads: threads).pixels
  }
}
