import ArgumentParser
import Cityscapes
import Distributed
import Images
import System
import Training

struct Browse: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "browse",
    abstract: "Draws what a training feeds the network: crops, labels, boundaries and Canny edges.",
    discussion: """
      Takes the first images of the first epoch from the loader of gscnn train: with the same options the training begins \
      with them. Maps that are missing are made as by gscnn prepare. Prints the share of each class.
      """)

  @Argument(help: .value("folder", "The data set, in place of --data-path."))
  var folder: String?

  @OptionGroup var data: DataOptions
  @OptionGroup var classes: ClassesOptions
  @OptionGroup var maps: PreparedOptions
  @OptionGroup var crop: CropOptions
  @OptionGroup var augmenting: AugmentOption
  @OptionGroup var augmentation: AugmentationGroup
  @OptionGroup var seeding: SeedOption

  @Option(in: 1...256, help: .value("number", "Crops to draw."))
  var images = 8

  @Option(
    in: .pixels,
    help: .value("pixels", "Width of each panel (default: that of the crop, but at least 200 and at most 320)."))
  var width: Int?

  @Option(help: .value("file", "PNG file to write."))
  var output = "browse.png"

  @OptionGroup var threads: ThreadOptions

  func validate() throws {
    try OutputPath.require("--output", output, endsIn: ".png")
    if folder != nil, data.dataPath != defaults.dataPath {
      throw ValidationError("the data set is given twice, as an argument and as --data-path; give it once")
    }
  }

  func run() throws {
    try onRankZero {
      StopSignal.listen()
      let alone = Communicator.single
      var options = options
      options.labels = try classes.table(alone)
      try options.validateAugmentation()
      try OutputPath.require(
        "--output", output, otherThan: [classes.classes].compactMap(\.self), dataPath: options.dataPath, options.table)
      let panel = BrowsedSamples.panelSize(options, width: width)
      // Four panels for each crop.
      guard images * panel.height <= PNG.maximumPixels / (4 * panel.width) else {
        throw OptionError(
          "--width", "\(panel.width)",
          "a picture of \(images) crops of this width has too many pixels; give a smaller one, or fewer --images")
      }
      let threads = threads.count(for: nil)
      let cancelled = { StopSignal.received != nil }
      let listed = try TrainingDataset.listOnAllRanks(options, communicator: alone)
      let dataset = try listed.prepared(
        as: Preprocessing.runOnAllRanks(
          listed.train + listed.validation, of: options.dataPath, prepared: options.prepared, table: options.table,
          communicator: alone, threads: threads, cancelled: cancelled)
      ).drawn(communicator: alone, threads: threads, cancelled: cancelled)
      let browsed = try BrowsedSamples(dataset, options, count: images, cancelled: cancelled)
      try PNG.write(browsed.sheet(width: width, cancelled: cancelled), to: output)
      for warning in browsed.warnings { StandardError.write("gscnn: warning: \(warning)\n") }
      print(output)
      for line in browsed.shares { print(line) }
    }
  }

  private var options: TrainingOptions {
    var options = TrainingOptions()
    options.dataPath = folder ?? data.dataPath
    options.classesFile = classes.classes
    options.prepared = maps.prepared
    options.cropHeight = crop.cropH
    options.cropWidth = crop.cropW
    options.augmentation = augmenting.augment
    options.augmentationOptions = augmentation.options
    options.seed = seeding.seed
    options.test = .never
    // The order of the samples does not depend on it, and any data set has so many.
    options.batchSize = 1
    return options
  }
}
