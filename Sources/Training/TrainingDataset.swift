import Cityscapes
import Distributed
import Foundation
import System
import Tensors

/// The augmentation of training samples.
package enum AugmentationMode: String, Codable, Sendable, CaseIterable {
  /// Random scale, crop and flip, in random order.
  case random
  /// Without augmentation, cropped or padded to the crop size, in the order of the file names: for comparing runs step
  /// by step.
  case none

  /// Also accepts `seed`, the old name of `random`: on the command line and in the files of earlier runs.
  package init?(rawValue: String) {
    switch rawValue {
    case "random", "seed": self = .random
    case "none": self = .none
    default: return nil
    }
  }
}

/// The splits of a run, and one rank's share of the training split.
package struct TrainingDataset {
  package private(set) var train: [SamplePaths]
  package private(set) var validation: [SamplePaths]
  /// Empty if the run does not use the test split.
  package private(set) var test: [SamplePaths]
  /// nil before they are made.
  package private(set) var maps: PreparedMaps?

  /// nil unless they were needed for drawing the samples.
  package private(set) var centroids: ClassCentroids?

  private let options: TrainingOptions
  private var sampler: DistributedBatchSampler
  private let rank: Int

  private init(_ options: TrainingOptions, splits: [[SamplePaths]], rank: Int, ranks: Int) throws {
    self.options = options
    self.rank = rank
    train = splits[0]
    validation = splits[1]
    test = splits.count > 2 ? splits[2] : []
    sampler = try DistributedBatchSampler(
      samples: train.count, batchSize: options.batchSize, ranks: ranks,
      order: options.augmentation == .random ? .shuffled(seed: options.seed) : .byFileName)
    try requireDrawsPerClass()
  }

  /// Refuses a fraction of which no class would get a single image.
  private func requireDrawsPerClass() throws {
    let (fraction, classes) = (options.augmentationOptions.classUniform, table.classes.count)
    guard fraction > 0, drawsPerClass == 0 else { return }
    let images = train.count == 1 ? "1 training image" : "\(train.count) training images"
    throw OptionError(
      "--class-uniform", fraction,
      train.count < classes
        ? "\(images) are fewer than the \(classes) classes; leave it out"
        : "of \(images) each of the \(classes) classes would get less than one; give "
          + String(format: "%.4f", (Double(classes) / Double(train.count) * 1e4).rounded(.up) / 1e4) + " or more")
  }

  private var drawsPerClass: Int {
    ClassUniformSampling.drawsPerClass(
      fraction: options.augmentationOptions.classUniform, samples: train.count, classes: table.classes.count)
  }

  var table: LabelTable { options.table }

  /// Lists the images below `options.dataPath` on every rank. Collective.
  package static func listOnAllRanks(_ options: TrainingOptions, communicator: Communicator) throws -> TrainingDataset {
    let splits = try CityscapesDirectory(root: options.dataPath, files: options.table.files).listOnAllRanks(
      options.test == .never ? [.train, .val] : [.train, .val, .test], communicator: communicator)
    return try communicator.collectively {
      try TrainingDataset(options, splits: splits, rank: communicator.rank, ranks: communicator.size)
    }
  }

  /// The same data set with these prepared maps.
  package func prepared(as maps: PreparedMaps) -> TrainingDataset {
    var dataset = self
    dataset.maps = maps
    dataset.train = train.map { $0.prepared(in: maps.folder) }
    dataset.validation = validation.map { $0.prepared(in: maps.folder) }
    dataset.test = test.map { $0.prepared(in: maps.folder) }
    return dataset
  }

  /// The same data set with its samples drawn as the options say: with `--class-uniform` by the centroids of the classes.
  /// Needs prepared maps. Collective.
  ///
  /// - Parameters: as for `classCentroids`.
  package func drawn(
    communicator: Communicator, threads: Int, cancelled: () -> Bool = { false }
  ) throws -> TrainingDataset {
    guard options.augmentationOptions.classUniform > 0 else { return self }
    let centroids = try classCentroids(communicator: communicator, threads: threads, cancelled: cancelled)
    var dataset = self
    dataset.centroids = centroids
    dataset.sampler.order = .classUniform(
      ClassUniformSampling(seed: options.seed, drawsPerClass: drawsPerClass, centroids: centroids))
    return dataset
  }

  /// How the samples of an epoch are drawn, if not each once; and what was done to prepare them.
  package var report: [String] {
    guard let centroids else { return maps?.report ?? [] }
    let present = centroids.places.count { !$0.isEmpty }
    return (maps?.report ?? []) + [
      "class-uniform: \(drawsPerClass) of \(train.count) images an epoch for each of \(present) classes, "
        + "\(train.count - drawsPerClass * present) from all"
    ]
  }

  /// Folders for files that are computed from the prepared maps, in the order in which to look for them: that of the maps,
  /// then those where maps would be made.
  var filesBesideMaps: [String] {
    guard let maps else { preconditionFailure("the maps are prepared first") }
    let root = CityscapesDirectory(root: options.dataPath).root
    let candidates = PreparedMaps.candidates(root: root, prepared: options.prepared, table)
    let others = candidates.filter { $0 != maps.folder }
    return ([maps.folder] + others).filter { options.prepared != nil || $0 != PreparedMaps.besideLabels(root) }
  }

  /// The last step of an epoch is dropped if it is incomplete.
  package var stepsPerEpoch: Int { sampler.stepsPerEpoch / options.optimizer.accumulate }

  /// A hash of the names of the training images, in order, and of the centroids if samples are drawn by them; independent
  /// of where the data set is.
  package var digest: UInt64 {
    let names = Self.digest(of: train)
    guard let centroids else { return names }
    return [names, centroids.digest].withUnsafeBytes(XXH64.hash)
  }

  static func digest(of samples: [SamplePaths]) -> UInt64 {
    RandomNumbers.hash(samples.map { "\($0.city)/\($0.name)" }.joined(separator: "\n"))
  }

  /// Images of each split in use.
  package var counts: [Split: Int] {
    var counts: [Split: Int] = [.train: train.count, .val: validation.count]
    if options.test != .never { counts[.test] = test.count }
    return counts
  }

  /// The paths of the images in the global batch of the step after `position`.
  package func images(ofStepAfter position: Position) -> [String] {
    let batches = options.optimizer.accumulate
    return (0..<sampler.ranks).flatMap { rank in
      sampler.shares(of: rank, epoch: position.epoch, from: position.step * batches).prefix(batches).joined().map {
        train[$0.index].image
      }
    }
  }

  /// A loader of this rank's batches from a position to the end of its epoch.
  ///
  /// - Parameters:
  ///   - cache: has a slot for each image of the training split, or for the first ones.
  ///   - timeline: records when each image was loaded.
  package func loader(
    from position: Position, cache: (any ImageCache)? = nil, timeline: Timeline? = nil
  ) -> Loader {
    let crop = Size(options.cropHeight, options.cropWidth)
    return Loader(
      samples: train,
      batches: sampler.shares(of: rank, epoch: position.epoch, from: position.step * options.optimizer.accumulate),
      transform: options.augmentation == .random
        ? .augmented(seed: options.seed, epoch: position.epoch, crop: crop, options.augmentationOptions)
        : .cropped(to: crop),
      classes: options.table.classes.count, normalization: options.imageNormalization,
      cache: cache,
      loaded: { sample, begin, end in
        timeline?.add(Timeline.Event(name: sample.name, track: .loading, begin: begin, end: end))
      })
  }
}
