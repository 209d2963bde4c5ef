import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Inference
import System
import Tensors

/// Predicts a few images of the validation split, the same in every epoch, for people to look at.
struct ImagePreview {
  /// Images, if the split has so many.
  static let count = 4

  let options: TrainingOptions
  let workers: WorkerPool
  let communicator: Communicator
  /// The validation split.
  let samples: [SamplePaths]
  let warn: (String) -> Void

  /// Indices of the images, evenly spaced over the split.
  static func indices(of total: Int) -> [Int] {
    let count = min(count, total)
    return (0..<count).map { (2 * $0 + 1) * total / (2 * count) }
  }

  /// Predicts the images in rounds of one for each validating rank, as `Evaluator` does; the other ranks sleep. An image
  /// that cannot be read is left out. Collective.
  ///
  /// - Parameters:
  ///   - withTruth: whether image and ground truth are shown too.
  ///   - stopRequested: called on every rank after each round; its answer is the same on all ranks.
  /// - Returns: on rank 0 the images, elsewhere none; `nil` if a stop was requested.
  func predict(with model: GatedSCNN, withTruth: Bool, stopRequested: () -> Bool) throws -> [ImagePanels]? {
    defer { BufferPool.shared.trim() }
    let ranks = options.validators == .all ? communicator.size : 1
    let indices = Self.indices(of: samples.count)
    var images: [ImagePanels] = []
    ProgressLine.shared.begin("predicting images for TensorBoard", of: indices.count, unit: "images")
    defer { ProgressLine.shared.end() }
    for start in stride(from: 0, to: indices.count, by: ranks) {
      let number = start + communicator.rank
      var answer = Answer()
      if communicator.rank < ranks, number < indices.count {
        do {
          answer.image = try panels(indices[number], model, withTruth)
        } catch {
          answer.failure = "\(error)"
        }
      }
      communicator.sleepingBarrier()
      for bytes in communicator.gather([UInt8](try JSON.encode(answer))) {
        let answer = try JSON.decode(Answer.self, from: Data(bytes))
        if let image = answer.image { images.append(image) }
        if let failure = answer.failure {
          warn("\(failure); training goes on, and TensorBoard does not show this image")
        }
      }
      ProgressLine.shared.update { $0.done = min(start + ranks, indices.count) }
      if stopRequested() { return nil }
    }
    return images
  }

  /// What a rank sends to rank 0.
  private struct Answer: Codable {
    var image: ImagePanels?
    var failure: String?
  }

  private func panels(_ index: Int, _ model: GatedSCNN, _ withTruth: Bool) throws -> ImagePanels {
    let paths = samples[index]
    let sample = try Sample.read(paths, index: index, classes: options.table.classes.count)
    return try ImagePanels(
      of: sample, named: paths.displayName, by: model, options.table, withTruth: withTruth, on: workers)
  }
}
