import Cityscapes
import Distributed
import Layers
import Tensors

/// How a training sample is treated.
package enum AugmentationMode: String, Codable, Sendable, CaseIterable {
  /// Random scale, crop and flip, in a random order.
  case random
  /// As it is, cut or padded to the crop, in the order of the files: for comparing step by step.
  case none

  /// `seed` is an earlier version's word for `random`; its checkpoints and command lines still have it.
  package init?(rawValue: String) {
    switch rawValue {
    case "random", "seed": self = .random
    case "none": self = AugmentationMode.none
    default: return nil
    }
  }
}

/// The images of a run, as one rank sees them.
package struct TrainingDataset {
  package let train: [SamplePaths]
  package let validation: [SamplePaths]
  /// Empty where the test split is left alone.
  package let test: [SamplePaths]

  private let options: TrainingOptions
  private let batches: DistributedBatchSampler
  private let rank: Int

  package init(_ options: TrainingOptions, communicator: Communicator) throws {
    self.options = options
    rank = communicator.rank
    let layout = CityscapesDirectory(root: options.dataPath)
    (train, validation, test, batches) = try communicator.collectively {
      let train = try layout.samples(of: .train)
      let batches = try DistributedBatchSampler(
        samples: train.count, batchSize: options.batchSize, ranks: communicator.size,
        order: options.augmentation == .random ? .shuffled(seed: options.seed) : .byFileName)
      return (train, try layout.samples(of: .val), options.test ? try layout.samples(of: .test) : [], batches)
    }
  }

  /// The last incomplete batch of an epoch is dropped.
  package var stepsPerEpoch: Int { batches.stepsPerEpoch }

  /// Of the names of the training images, in their order. Where the data lie does not matter.
  package var digest: UInt64 { RandomNumbers.hash(train.map { "\($0.city)/\($0.name)" }.joined(separator: "\n")) }

  package var counts: [Split: Int] {
    var counts: [Split: Int] = [.train: train.count, .val: validation.count]
    if options.test { counts[.test] = test.count }
    return counts
  }

  /// This rank's batches from a position to the end of its epoch.
  ///
  /// - Parameters:
  ///   - cache: has a place for each image of the training split, or for some.
  ///   - timeline: learns when each image was loaded.
  package func loader(
    from position: Position, cache: (any ImageCache)? = nil, timeline: Timeline? = nil
  ) -> Loader {
    let crop = Size(options.cropHeight, options.cropWidth)
    return Loader(
      samples: train, batches: batches.shares(of: rank, epoch: position.epoch, from: position.step),
      transform: options.augmentation == .random
        ? .augmented(seed: options.seed, epoch: position.epoch, crop: crop) : .cut(to: crop),
      cache: cache,
      loaded: { sample, begin, end in
        timeline?.add(Timeline.Event(name: sample.name, track: .loading, begin: begin, end: end))
      })
  }
}
