import Cityscapes
import Distributed
import GatedSCNN
import Inference
import Machine
import Microkernels
import System
import Tensors

/// The memory that a rank needs at its peak, in bytes, from costs per pixel that were measured once (documentation, Memory).
package struct MemoryEstimate: Codable, Sendable, Equatable {
  /// Of training steps; 0 if the rank does not train.
  package private(set) var training = 0
  /// Of the evaluation of one image; 0 if the rank does not evaluate.
  package private(set) var evaluation = 0

  package var peak: Int { max(training, evaluation) }

  /// The program and its libraries.
  private static let program = 84 << 20

  /// Of an image under evaluation, whatever the network's depth. The shape stream of a large image is computed in tiles of
  /// rows, so that further rows cost less.
  private static func evaluation(pixels: Int, _ precision: Precision) -> Int {
    pixels * (precision == .float32 ? 580 : 260) + min(pixels, 1 << 19) * 500
  }

  /// A rank that trains, and perhaps validates.
  ///
  /// - Parameters:
  ///   - images: of a step, on this rank.
  ///   - evaluated: pixels of the largest image that it validates; 0 if it validates none.
  ///   - savesCheckpoints: whether it keeps a copy of parameters and momentum while they are written.
  ///   - optimizer: may keep sums of gradients and an average of the weights.
  ///   - classes: of the network.
  ///   - loss: that it minimizes.
  ///   - precision: of activations.
  package init(
    training backbone: Backbone, images: Int, crop: Size, evaluating evaluated: Int = 0, savesCheckpoints: Bool,
    optimizer: OptimizerOptions = OptimizerOptions(), classes: Int = GatedSCNN.cityscapesClasses,
    loss: JointLoss.Configuration.Kind = .standard, precision: Precision = .float32
  ) {
    // Parameters, gradients and momentum, and a copy of the first and last of them.
    var copies = savesCheckpoints ? 5 : 3
    if optimizer.accumulate > 1 { copies += 1 }
    if optimizer.emaDecay != nil { copies += savesCheckpoints ? 2 : 1 }
    let fixed = Self.program + backbone.parameterBytes * copies
    let logits = Self.furtherLogits(classes)
    let perPixel = backbone.trainingPerPixel(precision) + Self.logitsOfTraining * logits
    training = fixed + images * crop.height * crop.width * perPixel
    if loss == .full {
      // Those of 19 classes fit into what the backward pass needs later.
      let further = max(classes - GatedSCNN.cityscapesClasses, 0)
      training += Self.dualTaskPlanes * further * crop.height * crop.width * MemoryLayout<Float>.stride
    }
    // The test split is predicted with another model, the best.
    if evaluated > 0 {
      evaluation = fixed + backbone.parameterBytes + Self.evaluation(pixels: evaluated, precision) + logits * evaluated
    }
  }

  /// Bytes of the logits of a pixel beyond those of the 19 classes that costs were measured with; padded to whole vectors.
  private static func furtherLogits(_ classes: Int) -> Int {
    let strides = [classes, GatedSCNN.cityscapesClasses].map { Shape(1, 1, 1, $0).stride }
    return max(strides[0] - strides[1], 0) * MemoryLayout<Float>.stride
  }

  /// The logits, their gradient, and that gradient of the losses.
  private static let logitsOfTraining = 3

  /// Of each class in the dual-task loss of one image: prediction, both smoothed maps, and the slopes.
  private static let dualTaskPlanes = 4

  /// A rank that only evaluates.
  ///
  /// - Parameters:
  ///   - parameterBytes: of the network.
  ///   - pixels: of the largest image.
  ///   - classes: of the network.
  ///   - precision: of activations.
  package init(
    evaluating parameterBytes: Int, pixels: Int, classes: Int = GatedSCNN.cityscapesClasses,
    precision: Precision = .float32
  ) {
    evaluation =
      Self.program + parameterBytes + Self.evaluation(pixels: pixels, precision) + Self.furtherLogits(classes) * pixels
  }

  /// A rank that only predicts, whole images or windows, perhaps several versions of each.
  ///
  /// - Parameters:
  ///   - parameterBytes: of the network.
  ///   - largest: of the images.
  ///   - copies: of the probabilities as they are written, 0 if they are not.
  ///   - classes: of the network.
  ///   - precision: of activations.
  package init(
    evaluating parameterBytes: Int, largest: InferenceOptions.Extent, _ options: InferenceOptions, copies: Int = 0,
    classes: Int = GatedSCNN.cityscapesClasses, precision: Precision = .float32
  ) {
    self.init(
      evaluating: parameterBytes, pixels: options.isPlain ? largest.pixels : options.networkPixels(largest),
      classes: classes, precision: precision)
    guard !options.isPlain || copies > 0 else { return }
    evaluation += options.bytesBesideNetwork(largest, keepsProbabilities: copies > 0, classes: classes)
    // Float16; a message is received before it replaces another.
    evaluation += copies * largest.pixels * classes * 2
  }
}

extension MemoryEstimate {
  /// Compares what the ranks of a training run need with what their machines have. Collective: reads headers of images.
  ///
  /// - Returns, Throws: as the other one.
  static func requireRoom(
    for options: TrainingOptions, _ dataset: TrainingDataset, communicator: Communicator
  ) throws -> [String] {
    func pixels(_ samples: [SamplePaths]) -> Int { SharedMemorySlots.maximumPixels(samples, communicator) }
    let evaluated = pixels(dataset.validation + dataset.test)
    let cache = options.cacheGigabytes.map {
      min(
        Int($0 * 1e9),
        dataset.train.count
          * SharedMemorySlots.slotBytes(pixels: pixels(dataset.train), classes: options.table.classes.count))
    }
    return try MemoryEstimate(
      training: options.backbone, images: options.batchSize.dividedRoundingUp(by: communicator.size),
      crop: Size(options.cropHeight, options.cropWidth),
      evaluating: options.validators == .all || communicator.rank == 0 ? evaluated : 0,
      savesCheckpoints: communicator.rank == 0, optimizer: options.optimizer, classes: options.table.classes.count,
      loss: options.loss.kind, precision: options.computePrecision
    ).requireRoom(cache: cache ?? 0, communicator: communicator)
  }
}

extension Backbone {
  /// Bytes of the parameters of the whole network, rounded up.
  package var parameterBytes: Int {
    switch self {
    case .resnet50: 163_000_000
    case .resnet101: 239_000_000
    }
  }

  /// Bytes of a training step for each pixel of its images.
  fileprivate func trainingPerPixel(_ precision: Precision) -> Int {
    switch (self, precision) {
    case (.resnet50, .float32): 4800
    case (.resnet50, .bfloat16): 2700
    case (.resnet101, .float32): 6700
    case (.resnet101, .bfloat16): 3700
    }
  }
}

extension MemoryEstimate {
  /// What a machine has for the ranks on it.
  package struct Machine: Codable, Sendable, Equatable {
    package var host: String
    /// The limit of the container or job (cgroup), which no process gets past; nil if there is none.
    package var limit: Int?
    /// What is free, or can be made so; nil if unknown.
    package var available: Int?
    /// The image cache that the ranks share.
    package var cache: Int

    package init(host: String, limit: Int?, available: Int?, cache: Int = 0) {
      self.host = host
      self.limit = limit
      self.available = available
      self.cache = cache
    }
  }

  /// Compares what all ranks need with what their machines have. Collective.
  ///
  /// - Parameter cache: bytes of the image cache on each machine.
  /// - Returns: warnings, the same on all ranks.
  /// - Throws: `MemoryError`, the same on all ranks, if the ranks of a machine need more than its limit.
  package func requireRoom(cache: Int = 0, communicator: Communicator) throws -> [String] {
    let machine = Machine(
      host: communicator.host, limit: ControlGroup().memory, available: MachineMemory.available(), cache: cache)
    let (estimates, machines) = (communicator.allGather(self), communicator.allGather(machine))
    return try Self.check(Array(zip(estimates, machines)))
  }

  /// - Parameter ranks: what each rank needs, and its machine.
  package static func check(_ ranks: [(estimate: MemoryEstimate, machine: Machine)]) throws -> [String] {
    var warnings: [String] = []
    for (index, rank) in ranks.enumerated() {
      let machine = rank.machine
      guard ranks.firstIndex(where: { $0.machine.host == machine.host }) == index else { continue }
      let estimates = ranks.filter { $0.machine.host == machine.host }.map(\.estimate)
      let needed = estimates.reduce(machine.cache) { $0 + $1.peak }
      let error = MemoryError(estimates: estimates, machine: machine, needed: needed)
      if let limit = machine.limit, needed > limit { throw error }
      if let available = machine.available, needed > available {
        warnings.append(
          "warning: \(error.need), and \(MemoryError.gigabytes(available)) are available; otherwise the kernel ends a rank: "
            + error.remedy)
      }
    }
    return warnings
  }
}

/// The ranks of a machine need more memory than the limit of their container allows.
package struct MemoryError: CollectiveError, CustomStringConvertible, Equatable {
  package let estimates: [MemoryEstimate]
  package let machine: MemoryEstimate.Machine
  package let needed: Int

  static func gigabytes(_ bytes: Int) -> String {
    let tenths = (bytes + 50_000_000) / 100_000_000
    return "\(tenths / 10).\(tenths % 10) GB"
  }

  /// What the machine's ranks need.
  var need: String {
    let (training, evaluation) = (estimates.map(\.training).max() ?? 0, estimates.map(\.evaluation).max() ?? 0)
    let parts = [
      training > 0 ? "training \(Self.gigabytes(training)) a rank" : nil,
      evaluation > 0 ? "\(training > 0 ? "validation" : "evaluation") \(Self.gigabytes(evaluation)) a rank" : nil,
      machine.cache > 0 ? "the image cache \(Self.gigabytes(machine.cache))" : nil,
    ].compactMap { $0 }
    return "\(machine.host): \(estimates.count == 1 ? "1 rank needs" : "\(estimates.count) ranks need") about "
      + "\(Self.gigabytes(needed)) of memory (\(parts.joined(separator: ", ")))"
  }

  var remedy: String {
    let trains = estimates.contains { $0.training > $0.evaluation }
    let ways = [
      machine.cache > 0 ? "give a smaller --cache-gb" : nil,
      trains ? "give smaller crops (--crop-h, --crop-w) or a smaller --batch-size" : nil,
      estimates.count > 1 ? "start fewer ranks on this machine" : nil,
    ].compactMap { $0 }
    return (ways + ["give it more memory"]).joined(separator: ", or ")
  }

  package var description: String {
    "\(need), but the limit of the container or job is \(Self.gigabytes(machine.limit ?? 0)); \(remedy)"
  }
}
