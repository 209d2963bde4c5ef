import Cityscapes
import Distributed
import Images
import System
import Tensors

/// Predicts images that need no labels and writes the results.
package struct BatchPredictor {
  private let predictor: ImagePredictor
  private let table: LabelTable
  private let communicator: Communicator
  /// Where results are written.
  private let folder: String
  private let outputs: [PredictionOutput]
  /// For the benchmark server; by index of the image.
  private let export: PredictionFolder?
  private let collectors: PredictionCollectors

  package init(
    _ predictor: ImagePredictor, _ table: LabelTable = .cityscapes, communicator: Communicator, folder: String,
    outputs: [PredictionOutput], export: PredictionFolder?, collectors: PredictionCollectors = PredictionCollectors()
  ) {
    self.table = table
    self.predictor = predictor
    self.communicator = communicator
    self.folder = folder
    self.outputs = outputs
    self.export = export
    self.collectors = collectors
  }

  /// Predicts images in rounds of one image per rank. Rank 0 writes the results of all ranks, whose disks may be their
  /// own; each file is complete or not there. Collective.
  ///
  /// - Parameter afterRound: called on every rank after each round with the number of images done; throws to stop.
  /// - Throws: `UnusableImages` at the end if images could not be read; the others are done.
  package func predict(_ images: [InputImage], afterRound: (Int) throws -> Void) throws {
    var problems: [String] = []
    for first in stride(from: 0, to: images.count, by: communicator.size) {
      let indices = first..<min(first + communicator.size, images.count)
      let index = first + communicator.rank
      var problem = ""
      var result: (image: Image, prediction: ImagePredictor.Prediction)?
      if indices.contains(index) {
        Activity.begin(image: index + 1)
        do {
          let image = try Photograph.read(images[index].path)
          result = (
            image,
            try predictor.predict(image, from: images[index].path, keepsProbabilities: outputs.contains(.probabilities))
          )
        } catch {
          problem = "\(error)"
        }
      }
      communicator.sleepingBarrier()
      let found = communicator.allGather(problem)
      // One kind of file after another, so that no more of them than needed are in memory.
      for output in outputs {
        let file = try result.map {
          try output.encode($0.prediction, of: $0.image, table, for: path(of: images[index], output))
        }
        for (index, file) in zip(indices, communicator.gather(file ?? [])) where !file.isEmpty {
          try write(file, to: path(of: images[index], output))
        }
      }
      if let export {
        let file = try result.map { try export.encode($0.prediction.classes, $0.image.size, index: index) }
        for (index, file) in zip(indices, communicator.gather(file ?? [])) where !file.isEmpty {
          try export.write(file, index: index)
        }
      }
      for (number, collector) in collectors.all.enumerated() {
        let part = result.map { collector.encode($0.prediction.classes, of: $0.image, index: index) }
        for (index, part) in zip(indices, communicator.gather(part ?? [])) where !part.isEmpty {
          collectors.add(part, index: index, to: number)
        }
      }
      problems += found.filter { !$0.isEmpty }
      try afterRound(indices.upperBound)
    }
    Activity.begin(image: 0)
    guard problems.isEmpty else {
      throw UnusableImages(
        findings: problems, images: images.count, lacksArchive: export?.hasArchive == true)
    }
  }

  private func path(of image: InputImage, _ output: PredictionOutput) -> String {
    "\(folder)/\(image.name)\(output.suffix)"
  }

  private func write(_ file: [UInt8], to path: String) throws {
    try FileSystem().createDirectory(FileSystem.parent(of: path))
    try FileSystem().replaceFile(path, with: file, sync: false)
  }
}

/// Images that could not be predicted; the others were.
package struct UnusableImages: CollectiveError, CustomStringConvertible {
  /// A line for each.
  package let findings: [String]
  /// All that were to be predicted.
  let images: Int
  /// Whether an archive was to be written, which would lack them.
  let lacksArchive: Bool

  package var description: String {
    let others = findings.count == images ? "" : ", the others are done"
    return
      "\(findings.count) of \(images) images could not be read\(others)\(lacksArchive ? ", but no archive is written" : ""); "
      + "restore or remove what is named above"
  }
}
