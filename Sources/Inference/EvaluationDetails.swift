import Cityscapes
import Images
import Metrics
import System
import Tensors

/// What is measured of one predicted image beyond confusion matrix and loss. Counts alone, so that sums over images do
/// not depend on which rank has measured them.
package struct ImageMeasurement: Codable, Sendable, Equatable {
  /// Of the pixels that have a class.
  let confusion: ConfusionMatrix
  /// Pixels that evaluation ignores.
  let ignored: Int64
  /// nil if label ids are not measured.
  let labels: LabelConfusion?
  /// nil if the image has no instance map.
  let instances: [InstanceOverlap]?
  let boundaries: BoundaryCounts

  /// Measures what train ids tell, without reading a file.
  ///
  /// - Parameters:
  ///   - prediction: train ids.
  ///   - target: train ids, or `Label.ignored`.
  init(
    prediction: [UInt8], target: [UInt8], _ size: Size, _ thresholds: BoundaryThresholds, _ table: LabelTable
  ) {
    boundaries = BoundaryCounts(
      prediction: prediction, target: target, classes: table.classes.count, size, thresholds)
    var confusion = ConfusionMatrix(classes: table.classes.count)
    confusion.add(prediction: prediction, target: target)
    self.confusion = confusion
    ignored = Int64(target.count) - confusion.total
    (labels, instances) = (nil, nil)
  }

  /// - Parameters:
  ///   - prediction: train ids.
  ///   - target: train ids, or `Label.ignored`.
  /// - Throws: `ImageError` with the file that is missing, damaged, of another kind or size, or holds other values.
  package init(
    _ paths: SamplePaths, prediction: [UInt8], target: [UInt8], _ size: Size, _ thresholds: BoundaryThresholds,
    _ table: LabelTable = .cityscapes
  ) throws {
    boundaries = BoundaryCounts(
      prediction: prediction, target: target, classes: table.classes.count, size, thresholds)
    // The test split's labels are not published.
    let isUnlabeled = paths.split == .test && FileSystem.size(of: paths.labelIds) == nil
    if isUnlabeled, !table.isCityscapes {
      let labels = LabelConfusion(table)
      (self.labels, confusion, ignored, instances) = (labels, labels.classes(table), labels.ignored(table), nil)
      return
    }
    let labelIds =
      isUnlabeled
      ? [UInt8](repeating: 0, count: prediction.count) : try Self.open(paths.labelIds, as: .gray, size).read().pixels
    if let other = labelIds.first(where: { Int($0) >= table.idCount }) {
      throw ImageError(
        path: paths.labelIds, problem: "holds \(other), which is no label id (0 … \(table.idCount - 1))",
        remedy: "restore the file")
    }
    let labels = LabelConfusion(prediction: prediction, labelIds: labelIds, table)
    (self.labels, confusion, ignored) = (labels, labels.classes(table), labels.ignored(table))
    guard table.isCityscapes, FileSystem.size(of: paths.instanceIds) != nil else {
      instances = nil
      return
    }
    let map = try Self.open(paths.instanceIds, as: .gray16, size).readValues()
    do {
      instances = try InstanceOverlap.measure(map: map, prediction: prediction)
    } catch {
      throw ImageError(
        path: paths.instanceIds, problem: "holds \(error.id), which is no instance of a class that has instances",
        remedy: "restore the file, or remove it to evaluate without iIoU")
    }
  }

  /// Opens the instance maps of images, so that one that cannot be used is named before an evaluation that may take
  /// hours. Values are not looked at.
  package static func requireUsableInstances(of samples: [SamplePaths]) throws(ImageError) {
    for sample in samples where !sample.instanceIds.isEmpty && FileSystem.size(of: sample.instanceIds) != nil {
      let size = try PNGReader(sample.image, as: .rgb).size
      try open(sample.instanceIds, as: .gray16, size).requireEnd()
    }
  }

  private static func open(_ path: String, as kind: PNG.Kind, _ size: Size) throws(ImageError) -> PNGReader {
    let reader = try PNGReader(path, as: kind)
    guard reader.size == size else {
      throw ImageError(
        path: path, problem: "\(reader.size.widthByHeight), but its image is \(size.widthByHeight)",
        remedy: "restore the file")
    }
    return reader
  }
}

/// What is measured of a split beyond confusion matrix and loss.
package struct EvaluationDetails: Codable, Sendable, Equatable {
  /// The score of one image.
  package struct ImageScore: Codable, Sendable, Equatable {
    /// Pixels that evaluation ignores.
    package let ignored: Int64
    /// The other pixels, and those of them that are predicted correctly.
    package let labeled: Int64
    package let correct: Int64
    /// Over the classes in ground truth or prediction; nil if no pixel has a class.
    package let meanClassIoU: Double?
  }

  /// nil if label ids are not measured.
  package private(set) var labels: LabelConfusion?
  package private(set) var boundaries: BoundaryScores
  /// In the order of the split.
  package private(set) var images: [ImageScore] = []
  /// Images without an instance map.
  package private(set) var imagesWithoutInstances = 0
  private var instanceScores = InstanceScores()

  /// Of no images yet.
  ///
  /// - Parameter labelIds: whether label ids and instances are measured, which reads the label and instance maps of each
  ///   image; a training has no other need of them.
  package init(_ thresholds: BoundaryThresholds, _ table: LabelTable = .cityscapes, labelIds: Bool = true) {
    labels = labelIds ? LabelConfusion(table) : nil
    boundaries = BoundaryScores(thresholds, classes: table.classes.count)
  }

  /// iIoU; nil unless all images have an instance map, which those of Cityscapes alone have.
  package var instances: InstanceMetrics? {
    imagesWithoutInstances > 0 || images.isEmpty ? nil : labels.map { instanceScores.metrics($0.classes()) }
  }

  /// The images with the lowest mean class IoU, the worst first, by index in the split.
  package func worst(_ count: Int) -> [(index: Int, meanClassIoU: Double)] {
    let scored = images.enumerated().compactMap { index, image in image.meanClassIoU.map { (index, $0) } }
    // Sorting is stable: equal images stay in their order.
    return scored.sorted { $0.1 < $1.1 }.prefix(count).map { (index: $0.0, meanClassIoU: $0.1) }
  }

  /// Adds the next image.
  mutating func add(_ image: ImageMeasurement, _ table: LabelTable) {
    if let labels = image.labels { self.labels? += labels }
    boundaries.add(image.boundaries)
    if let instances = image.instances { instanceScores.add(instances) } else { imagesWithoutInstances += 1 }
    let confusion = image.confusion
    let metrics = SegmentationMetrics(confusion, table)
    images.append(
      ImageScore(
        ignored: image.ignored, labeled: confusion.total,
        correct: (0..<confusion.classes).reduce(0) { $0 + confusion[$1, $1] },
        meanClassIoU: confusion.total == 0 ? nil : metrics.meanClassIoU))
  }
}
