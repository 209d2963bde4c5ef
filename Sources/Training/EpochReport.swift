import Cityscapes
import Inference
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
    /// Of each class, by train id, nil for a class in neither ground truth nor prediction; `nil` as a whole in checkpoints
    /// of an earlier version, as those below.
    package let classIoU: [Double?]?
    /// Of each category, in the order of `LabelTable.categories`.
    package let categoryIoU: [Double?]?
    /// At each of the default thresholds; `nil` for the training split, where it is not measured.
    package let boundaryF: [BoundaryF]?

    package init(
      loss: Double, pixelAccuracy: Double, meanAccuracy: Double, meanClassIoU: Double, meanCategoryIoU: Double?,
      classIoU: [Double?]? = nil, categoryIoU: [Double?]? = nil, boundaryF: [BoundaryF]? = nil
    ) {
      self.loss = loss
      self.pixelAccuracy = pixelAccuracy
      self.meanAccuracy = meanAccuracy
      self.meanClassIoU = meanClassIoU
      self.meanCategoryIoU = meanCategoryIoU
      self.classIoU = classIoU
      self.categoryIoU = categoryIoU
      self.boundaryF = boundaryF
    }

    package init(loss: Double, _ metrics: SegmentationMetrics, boundaryF: [BoundaryF]? = nil) {
      self.init(
        loss: loss, pixelAccuracy: metrics.pixelAccuracy, meanAccuracy: metrics.meanAccuracy,
        meanClassIoU: metrics.meanClassIoU, meanCategoryIoU: metrics.meanCategoryIoU, classIoU: metrics.classIoU,
        categoryIoU: metrics.categoryIoU, boundaryF: boundaryF)
    }

    package init(_ evaluation: Evaluation) {
      let boundaries = evaluation.details?.boundaries
      self.init(
        loss: evaluation.loss, evaluation.metrics,
        boundaryF: boundaries.map { scores in
          scores.radii.enumerated().map {
            BoundaryF(
              threshold: scores.thresholds.fScore[$0], radius: $1, mean: scores.meanF(threshold: $0))
          }
        })
    }
  }

  /// The boundary F-score at one threshold, averaged over the classes.
  package struct BoundaryF: Codable, Sendable, Equatable {
    /// Below 1 a fraction of the image's diagonal, otherwise pixels.
    package let threshold: Double
    /// In pixels, over the images.
    package let radius: ClosedRange<Int>
    /// `nil` if no image has a boundary.
    package let mean: Double?

    package init(threshold: Double, radius: ClosedRange<Int>, mean: Double?) {
      self.threshold = threshold
      self.radius = radius
      self.mean = mean
    }
  }
}
