import Cityscapes
import GatedSCNN
import Images
import Kernels
import Layers
import System
import Tensors

/// Predicts images of any size by `InferenceOptions`.
///
/// The network sees each view of an image as an image of its own: the 8-bit image is scaled (bilinear, as
/// `cv::resize`), then mirrored, and its Canny edges are those of the result, as for any image of that size. A window
/// takes its part of both, so that its border is no edge.
package struct ImagePredictor {
  /// What is predicted of an image.
  package struct Prediction {
    /// Train ids, `H · W`.
    package let classes: [UInt8]
    /// nil unless asked for.
    package let probabilities: ProbabilityMap?
    /// Seconds that this took.
    package let seconds: Double
  }

  private let model: GatedSCNN
  private let options: InferenceOptions
  private let workers: WorkerPool

  package init(_ model: GatedSCNN, _ options: InferenceOptions, workers: WorkerPool) {
    self.model = model
    self.options = options
    self.workers = workers
  }

  /// - Parameters:
  ///   - image: RGB.
  ///   - path: of the image, for errors.
  ///   - canny: its Canny edges; found if nil.
  /// - Throws: `InferenceError.notFinite`.
  package func predict(
    _ image: Image, from path: String, canny: Image? = nil, keepsProbabilities: Bool = false
  ) throws(InferenceError) -> Prediction {
    let begin = Clock.now
    let views = options.views
    let map = ProbabilityMap(
      image.size, channels: model.classes, views: views.count, keepsProbabilities: keepsProbabilities)
    var size: Size?
    // Free blocks have the sizes of other views or windows.
    defer { BufferPool.shared.trim() }
    for view in views {
      let scaled = view.scale == 1 ? image : Resize.bilinear(image, by: view.scale)
      let seen = view.isMirrored ? scaled.mirrored : scaled
      if seen.size != size { BufferPool.shared.trim() }
      size = seen.size
      let isImage = view.scale == 1 && !view.isMirrored
      let isFinite = add(
        seen, canny: isImage ? canny ?? Canny.edges(of: seen) : Canny.edges(of: seen), isMirrored: view.isMirrored,
        to: map)
      guard isFinite else { throw .notFinite(image: path) }
    }
    let classes = map.predictions(on: workers)
    return Prediction(
      classes: classes, probabilities: keepsProbabilities ? map : nil, seconds: Clock.now - begin)
  }

  /// - Returns: whether all logits are finite.
  private func add(_ image: Image, canny: Image, isMirrored: Bool, to map: ProbabilityMap) -> Bool {
    var view = ProbabilityMap.AugmentedView(of: map, image.size, isMirrored: isMirrored)
    guard let window = options.window else {
      let logits = logits(of: image, canny: canny)
      guard logits.isFinite(on: workers) else { return false }
      view.add(logits, first: 0, end: image.size.height, on: workers)
      return true
    }
    let rows = WindowPositions(of: image.size.height, window: window.height, overlap: options.overlap)
    let columns = WindowPositions(of: image.size.width, window: window.width, overlap: options.overlap)
    let sums = WindowedLogits(rows, columns, channels: model.classes)
    for top in rows.starts {
      for left in columns.starts {
        let window = Image.Rect(x: left, y: top, Size(rows.length, columns.length))
        let logits = logits(of: image.cropped(to: window), canny: canny.cropped(to: window))
        guard logits.isFinite(on: workers) else { return false }
        sums.add(logits, left: left, on: workers)
      }
      sums.finishRow(into: &view, on: workers)
    }
    return true
  }

  /// `[1, H, W, classes]`.
  private func logits(of image: Image, canny: Image) -> Tensor {
    let batch = Batch(whole: Sample(unlabeled: image, canny: canny), normalization: model.normalization)
    let tape = Tape(.evaluation, precision: model.precision, workers: workers)
    return model(image: batch.image, canny: batch.canny, in: tape).logits.value
  }
}

extension Sample {
  /// An image without ground truth: every pixel is ignored.
  init(unlabeled image: Image, canny: Image? = nil) {
    let map = { Image(image.size, channels: 1, filledWith: $0) }
    self.init(
      index: 0, image: image, trainIds: map(Label.ignored), canny: canny ?? Canny.edges(of: image), boundary: map(0))
  }
}
