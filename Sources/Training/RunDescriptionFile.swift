import Cityscapes
import Foundation
import System
import Tensors

/// What `P_run.json` says of a run: what it trains on, and each start of it.
package struct RunDescriptionFile: Codable, Equatable, Sendable {
  /// A start of the run's job.
  package struct Start: Codable, Equatable, Sendable {
    /// ISO 8601, UTC.
    package let time: String
    package let version: String
    /// As rank 0 was started, program included.
    package let command: [String]
    /// Where it was started, to which relative paths of the command refer; nil in files of earlier versions.
    package let folder: String?
    package let ranks: Int
    /// Machines, ranks and threads, as lines of text.
    package let layout: [String]
    package let instructionSet: String
    /// The steps that were done, from 0.
    package let step: Int
  }

  /// A class of the data set.
  package struct Class: Codable, Equatable, Sendable {
    package let name: String
    /// Red, green, blue.
    package let color: [UInt8]
  }

  /// `RunIdentity.id`.
  package let run: String?
  /// Absolute paths.
  package let dataPath: String
  /// The folder of the maps made from images and labels.
  package let prepared: String?
  package let dataSet: String
  /// By train id.
  package let classes: [Class]
  /// Images of each split.
  package let images: [String: Int]
  package let parameters: Int
  package let imagesPerStep: Int
  package let stepsPerEpoch: Int
  package let steps: Int
  package let epochs: Int
  /// The first one and the latest ones.
  package private(set) var starts: [Start]

  /// The most starts that are kept: a job may be restarted for weeks.
  private static let mostStarts = 100

  init(
    _ options: TrainingOptions, _ state: TrainingState, ranks: Int, layout: [String], parameters: Int,
    images: [Split: Int], prepared: String?, length: TrainingLength
  ) {
    run = state.run?.id
    dataPath = URL(fileURLWithPath: options.dataPath).path
    self.prepared = prepared.map { URL(fileURLWithPath: $0).path }
    dataSet = options.table.name
    classes = options.table.classes.map {
      Class(name: $0.name, color: [$0.color.red, $0.color.green, $0.color.blue])
    }
    self.images = Dictionary(uniqueKeysWithValues: images.map { ($0.rawValue, $1) })
    self.parameters = parameters
    imagesPerStep = options.imagesPerStep
    stepsPerEpoch = length.stepsPerEpoch
    steps = length.steps
    epochs = length.epochs
    starts = [
      Start(
        time: Date().formatted(.iso8601), version: Program.version, command: CommandLine.arguments,
        folder: FileManager.default.currentDirectoryPath, ranks: ranks, layout: layout,
        instructionSet: InstructionSet.chosen.rawValue, step: state.totalSteps)
    ]
  }

  package init(contentsOf path: String) throws {
    self = try JSON.decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// Writes the file, with the earlier starts of the same run that it has.
  func write(to path: String) throws {
    var content = self
    if let earlier = try? Self(contentsOf: path), earlier.run == run, let first = earlier.starts.first {
      content.starts = [first] + (earlier.starts.dropFirst() + starts).suffix(Self.mostStarts - 1)
    }
    let text = try JSON.encode(content, [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    try FileSystem().replaceFile(path, with: text + Data("\n".utf8))
  }
}
