import ArgumentParser
import Distributed
import Foundation
import Inference
import System
import Tensors
import Training

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predicts images that need no labels; alone or under mpirun.",
    discussion: """
      The ranks share the images; rank 0 writes. Writes --color unless other results, --export, --contact-sheet or --video \
      are asked for. Results keep the folders of their images below the one that holds all of them.
      """)

  @Argument(
    help: .value(
      "images", "PNG or JPEG files, folders of them, 'PATTERN' with * and ?, or @FILE with a path on each line."))
  var images: [String]

  @OptionGroup var weights: ModelOptions
  @OptionGroup var computation: PrecisionOptions
  @OptionGroup var classes: ClassesOptions

  @Option(help: .value("folder", "Folder for the results, which is created."))
  var output = "predictions"

  @Flag(help: "Write NAME_color.png: train ids with the colors of their classes.")
  var color = false

  @Flag(help: "Write NAME_labelIds.png: gray label ids.")
  var labelIds = false

  @Flag(help: "Write NAME_overlay.png: the image and the colors of its classes, half and half.")
  var overlay = false

  @Flag(help: "Write NAME_probabilities.npy: float16, classes × height × width, for NumPy.")
  var probabilities = false

  @OptionGroup var pictures: PictureOptions
  @OptionGroup var prediction: PredictionOptions
  @OptionGroup var exporting: ExportOptions
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    StopSignal.listen()
    let communicator = try Communicator.initialize()
    communicator.setAffinity()
    let workers = WorkerPool(threads: threads.count(for: communicator))
    let table = try classes.table(of: weights, communicator)
    // Disks may differ: rank 0's files decide what there is.
    let found =
      communicator.rank == 0
      ? try InputImages.find(
        images, output: output, suffixes: outputs.map(\.suffix), export: exporting.destination?.folder) : []
    let listed = try JSON.decode(
      [InputImage].self, from: Data(communicator.broadcast([UInt8](JSON.encode(found)))))
    let export = try exporting.destination.map { try PredictionFolder($0, ofUnlabeled: listed, table) }
    let lists = images.filter { $0.hasPrefix("@") }.map { String($0.dropFirst()) }
    let inputs = [weights.modelWeight, classes.classes].compactMap(\.self) + lists
    if communicator.rank == 0 {
      for path in [exporting.export, exporting.destination?.archive] {
        try OutputPath.require("--export", path, otherThan: inputs + listed.map(\.path))
      }
      if !outputs.isEmpty { try PredictionFolder(output, of: [], as: .colors).create() }
      if table.isCityscapes { try export?.requireOnePrediction() }
      try export?.create()
    }
    let exported = export.map { export in
      listed.indices.map { FileSystem.join(export.path, export.fileName($0)) }
        + [exporting.destination?.archive].compactMap(\.self)
    }
    let results = listed.flatMap { image in outputs.map { "\(output)/\(image.name)\($0.suffix)" } } + (exported ?? [])
    let collectors = try pictures.collectors(of: listed, table, otherThan: inputs, and: results, communicator)
    let model = try ProgressLine.shared.during("loading weights") {
      try communicator.collectively {
        try ModelLoader.read(weights.modelWeight, table, precision: computation.precision)
      }
    }
    // Rank 0 receives the probabilities of all ranks.
    let copies = probabilities ? (communicator.rank == 0 ? communicator.size + 1 : 1) : 0
    let needed = MemoryEstimate(
      evaluating: model.store.values.count * MemoryLayout<Float>.stride,
      largest: InferenceOptions.Extent(of: listed.map(\.path), communicator), prediction.options, copies: copies,
      classes: table.classes.count, precision: computation.precision)
    try needed.requireRoomOrWarn(communicator)
    let progress = ProgressLine.shared
    progress.begin("predicting", of: listed.count, unit: "images")
    Activity.enter(.validation)
    let consensus = Consensus(communicator)
    do {
      try BatchPredictor(
        ImagePredictor(model, prediction.options, workers: workers), table, communicator: communicator,
        folder: output, outputs: outputs, export: export, collectors: collectors
      ).predict(listed) { done in
        progress.update { $0.done = done }
        if let status = consensus.stopStatus(StopSignal.received) { throw StopRequested(status: status) }
      }
    } catch let error as UnusableImages {
      // They lack the images that could not be read.
      if communicator.rank == 0 { try collectors.finish() }
      throw error
    }
    progress.end()
    if communicator.rank == 0 {
      let pictures = Result { try progress.during("writing pictures") { try collectors.finish() } }
      try progress.during("writing the archive") { try export?.finish() }
      try pictures.get()
      print("\(listed.count == 1 ? "1 image" : "\(listed.count) images"): \(places.joined(separator: ", "))")
    }
    communicator.finalize()
  }

  private var outputs: [PredictionOutput] {
    let asked: [(PredictionOutput, Bool)] = [
      (.color, color), (.labelIds, labelIds), (.overlay, overlay), (.probabilities, probabilities),
    ]
    let outputs = asked.filter(\.1).map(\.0)
    let isAlone = exporting.export == nil && pictures.paths.isEmpty
    return outputs.isEmpty && isAlone ? [.color] : outputs
  }

  /// Where the results are.
  private var places: [String] {
    let exported = [exporting.destination?.folder, exporting.destination?.archive].compactMap(\.self)
    return (outputs.isEmpty ? [] : [output]) + exported + pictures.paths
  }
}
