import Distributed

/// The predictions of the worst images so far, on rank 0: as much memory as a few maps of bytes, however many images are
/// evaluated.
package final class WorstPredictions {
  private let count: Int
  /// Train ids of each pixel, by the index of the image in the split; empty on other ranks than 0.
  package private(set) var trainIds: [Int: [UInt8]] = [:]

  /// - Parameter count: images to keep.
  package init(count: Int = EvaluationReport.named) { self.count = count }

  /// Takes in the predictions of a round of images that are among the worst now, and drops those that no longer are.
  /// Collective.
  ///
  /// - Parameters:
  ///   - details: of all images so far, the same on all ranks.
  ///   - round: the images of the round, one of each of the first ranks.
  ///   - prediction: of this rank's image, `index`.
  func update(
    _ details: EvaluationDetails, _ round: Range<Int>, with prediction: [UInt8], of index: Int,
    _ communicator: Communicator
  ) {
    let worst = Set(details.worst(count).map(\.index))
    // Most images are better than the worst: their maps stay where they are.
    guard round.contains(where: worst.contains) else { return }
    let gathered = communicator.gather(worst.contains(index) ? prediction : [])
    trainIds = trainIds.filter { worst.contains($0.key) }
    for (index, prediction) in zip(round, gathered) where worst.contains(index) { trainIds[index] = prediction }
  }
}
