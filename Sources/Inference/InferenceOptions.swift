import GatedSCNN
import Kernels
import Tensors

/// How an image is predicted: whole or in windows, once or as the mean over several views of it.
package struct InferenceOptions: Sendable, Equatable {
  /// A view of the image that the network sees.
  struct AugmentedView: Equatable {
    let scale: Double
    /// Whether left and right are exchanged.
    let isMirrored: Bool
  }

  /// Factors of both sides.
  package var scales: [Double]
  /// Whether each scale is predicted mirrored as well.
  package var flip: Bool
  /// Size of the windows of each view; nil: each view is predicted whole.
  package var window: Size?
  /// Pixels by which adjacent windows overlap, less than the sides of the window.
  package var overlap: Int

  package init(scales: [Double] = [1], flip: Bool = false, window: Size? = nil, overlap: Int = 0) {
    self.scales = scales
    self.flip = flip
    self.window = window
    self.overlap = overlap
  }

  /// Whether each image is predicted once, whole and as it is.
  package var isPlain: Bool { scales == [1] && !flip && window == nil }

  var views: [AugmentedView] {
    scales.flatMap { scale in (flip ? [false, true] : [false]).map { AugmentedView(scale: scale, isMirrored: $0) } }
  }
}

// MARK: - Memory

extension InferenceOptions {
  /// The largest of a set of images, for an estimate of memory: no image has more pixels or a larger width.
  package struct Extent: Codable, Sendable, Equatable {
    package var pixels: Int
    package var width: Int

    package init(pixels: Int, width: Int) {
      self.pixels = pixels
      self.width = width
    }
  }

  /// The most pixels that the network sees at once.
  package func networkPixels(_ extent: Extent) -> Int {
    let scale = scales.max() ?? 1
    let pixels = Int(Double(extent.pixels) * scale * scale) + 1
    return window.map { min($0.height * $0.width, pixels) } ?? pixels
  }

  /// Bytes beside those of the network: images, sums of logits and of probabilities.
  ///
  /// - Parameter classes: of the network.
  package func bytesBesideNetwork(
    _ extent: Extent, keepsProbabilities: Bool = false, classes: Int = GatedSCNN.cityscapesClasses
  ) -> Int {
    let scale = scales.max() ?? 1
    let sums =
      views.count > 1 || keepsProbabilities
      ? extent.pixels * ProbabilityMap.bytesPerPixel(channels: classes) : 0
    // The image with its maps; of a view RGB, edges and the edge detector's states; the classes.
    let images = 8 * extent.pixels + Int(6 * Double(extent.pixels) * scale * scale)
    guard let window else { return sums + images }
    let width = Int((Double(extent.width) * scale).rounded(.up))
    let rows = min(window.height, extent.pixels / max(extent.width, 1) * Int(scale.rounded(.up)) + 1)
    return sums + images
      + WindowedLogits.bytes(windowHeight: rows, width: width, channels: classes)
  }
}
