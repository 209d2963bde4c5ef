import Cityscapes
import Metrics

/// One epoch: a row of the statistics file.
package struct EpochReport: Codable, Sendable, Equatable {
  /// Counted from 1.
  package let epoch: Int
  package let train: Scores
  /// `nil` if the epoch was not validated.
  package let validation: Scores?
  /// Of the average of weights; `nil` if there is none, or the epoch was not validated.
  package let average: Scores?
  package let learningRate: Double
  /// Seconds of the epoch's steps.
  package let seconds: Double
  package let imagesPerSecond: Double
  /// Images loaded by all ranks, and the longest wait of a rank; `nil` in checkpoints of an earlier version.
  package let loading: Loader.Statistics?
  /// Steps left out because they were not finite; `nil` in checkpoints of an earlier version.
  package let skipped: Int?

  /// The key of the speed is that of the first checkpoint format.
  private enum CodingKeys: String, CodingKey {
    case epoch, train, validation, average, learningRate, seconds, loading, skipped
    case imagesPerSecond = "picturesPerSecond"
  }

  package init(
    epoch: Int, train: Scores, validation: Scores?, average: Scores? = nil, learningRate: Double, seconds: Double,
    imagesPerSecond: Double,
    loading: Loader.Statistics? = nil, skipped: Int? = nil
  ) {
    self.epoch = epoch
    self.train = train
    self.validation = validation
    self.average = average
    self.learningRate = learningRate
    self.seconds = seconds
    self.imagesPerSecond = imagesPerSecond
    self.loading = loading
    self.skipped = skipped
  }

  /// Loss and metrics of a split: the columns that the reference implementation writes for it.
  package struct Scores: Codable, Sendable, Equatable {
    package let loss: Double
    package let pixelAccuracy: Double
    package let meanAccuracy: Double
    package let meanClassIoU: Double
    /// `nil` if the data set has no categories.
    package let meanCategoryIoU: Double?

    package init(
      loss: Double, pixelAccuracy: Double, meanAccuracy: Double, meanClassIoU: Double, meanCategoryIoU: Double?
    ) {
      self.loss = loss
      self.pixelAccuracy = pixelAccuracy
      self.meanAccuracy = meanAccuracy
      self.meanClassIoU = meanClassIoU
      self.meanCategoryIoU = meanCategoryIoU
    }

    package init(loss: Double, _ metrics: SegmentationMetrics) {
      self.init(
        loss: loss, pixelAccuracy: metrics.pixelAccuracy, meanAccuracy: metrics.meanAccuracy,
        meanClassIoU: metrics.meanClassIoU, meanCategoryIoU: metrics.meanCategoryIoU)
    }
  }
}
