import Images
import Tensors

/// The augmentation of one sample: resize, pad at the bottom and the right, crop, change colors, blur, flip.
package struct Augmentation: Equatable, Sendable {
  /// The factor by which the image is resized (`Resize`).
  package var scale: Double
  /// First row and column of the crop in the resized and padded image.
  package var row: Int
  package var column: Int
  /// Whether the crop is mirrored left to right.
  package var flip: Bool
  /// Changes of the colors in this order, of the image inside the crop; not of the padding.
  package var colors: [ColorChange] = []
  /// Standard deviation of the Gaussian blur in pixels of the crop; 0: none.
  package var blur = 0.0

  package init(scale: Double, row: Int, column: Int, flip: Bool) {
    self.scale = scale
    self.row = row
    self.column = column
    self.flip = flip
  }

  /// The image as it is, cropped or padded at the bottom and the right.
  package static let none = Augmentation(scale: 1, row: 0, column: 0, flip: false)

  /// The random augmentation of a sample: a function of the seed, the epoch, the sample's index and its occurrence in the
  /// epoch.
  ///
  /// - Parameters:
  ///   - occurrence: how often the epoch has drawn the sample before.
  ///   - centroid: a pixel of the image that the crop must contain.
  package static func random(
    seed: UInt64, epoch: Int, index: Int, occurrence: Int = 0, centroid: Centroid? = nil, image: Size, crop: Size,
    options: AugmentationOptions = AugmentationOptions()
  ) -> Augmentation {
    /// A stream for each purpose, so that no option changes what another one draws.
    func stream(_ purpose: String) -> RandomNumbers {
      let (purpose, epoch, index) = (RandomNumbers.hash(purpose), UInt64(epoch), UInt64(index))
      return occurrence == 0
        ? RandomNumbers(seed, purpose, epoch, index) : RandomNumbers(seed, purpose, epoch, index, UInt64(occurrence))
    }
    var random = stream("augmentation")
    let scale = options.scale.factor(&random)
    let resized = Resize.scaled(image, by: scale)
    /// The first row or column of the crop. A side of the resized image that is smaller than the crop is padded to it; the
    /// crop then starts at 0.
    func start(_ length: Int, _ crop: Int, _ center: Int?) -> Int {
      let last = max(length - crop, 0)
      guard let center else { return random.uniform(below: last + 1) }
      let pixel = min(Int((Double(center) + 0.5) * scale), length - 1)
      let first = max(pixel - crop + 1, 0)
      return first + random.uniform(below: min(pixel, last) - first + 1)
    }
    let row = start(resized.height, crop.height, centroid?.row)
    let column = start(resized.width, crop.width, centroid?.column)
    var augmentation = Augmentation(scale: scale, row: row, column: column, flip: random.uniform(below: 2) == 1)
    if let distortion = options.distortion {
      var random = stream("distortion")
      augmentation.colors = distortion.changes(&random)
    }
    if let blur = options.blur {
      var random = stream("blur")
      augmentation.blur = random.uniform(in: blur.low..<blur.high)
    }
    return augmentation
  }

  /// The part of the resized image inside a crop. The rest of the crop is padding.
  func visiblePart(of image: Size, crop: Size) -> Image.Rect {
    let resized = Resize.scaled(image, by: scale)
    return Image.Rect(
      x: column, y: row,
      Size(min(crop.height, resized.height - row), min(crop.width, resized.width - column)))
  }

  /// The part of the original image from which a crop is computed.
  func source(of image: Size, crop: Size) -> Image.Rect {
    Resize.source(of: visiblePart(of: image, crop: crop), in: image, by: scale)
  }
}
