import Cityscapes
import Distributed
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

  private let options: TrainingOptions
  private let sampler: DistributedBatchSampler
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
  }

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

  /// The last step of an epoch is dropped if it is incomplete.
  package var stepsPerEpoch: Int { sampler.stepsPerEpoch / options.optimizer.accumulate }

  /// A hash of the names of the training images, in order; independent of where the data set is.
  package var digest: UInt64 { Self.digest(of: train) }

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
        train[$0].image
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
        ? .augmented(seed: options.seed, epoch: position.epoch, crop: crop) : .cropped(to: crop),
      classes: options.table.classes.count, normalization: options.imageNormalization,
      cache: cache,
      loaded: { sample, begin, end in
        timeline?.add(Timeline.Event(name: sample.name, track: .loading, begin: begin, end: end))
      })
  }
}
