import Cityscapes
import Foundation
import GatedSCNN
import Images
import Kernels
import Layers
import Tensors

/// An image of a split, what the network makes of it, and where it errs, as small images for people to look at.
package struct ImagePanels: Codable, Sendable, Equatable {
  package struct Panel: Codable, Sendable, Equatable {
    /// For example `3 prediction`; viewers sort panels by title.
    package let title: String
    package let height: Int
    package let width: Int
    /// 1 or 3.
    package let channels: Int
    /// The file.
    package let png: Data

    /// - Throws: `ImageError` if there is no memory for the file.
    init(_ title: String, _ image: Image) throws {
      self.title = title
      (height, width) = (image.size.height, image.size.width)
      channels = image.channels
      png = Data(try PNG.encode(image, for: title))
    }
  }

  /// Pixels of the longer side; larger images are reduced.
  package static let longestSide = 512

  /// Of the image, without the folder and the end that all images have.
  package let name: String
  package let panels: [Panel]

  /// Predicts an image.
  ///
  /// - Parameters:
  ///   - withTruth: whether image and ground truth are panels, which are the same in every epoch.
  /// - Throws: `ImageError`.
  package init(
    of sample: Sample, named name: String, by model: GatedSCNN, _ table: LabelTable, withTruth: Bool,
    on workers: WorkerPool
  ) throws {
    self.name = name
    let (classes, edges, attention) = model.maps(of: sample, on: workers)
    let (image, truth, predicted) = (
      sample.image.reducedByMean, sample.trainIds.reducedByChoice, classes.reducedByChoice
    )
    var panels: [Panel] = []
    if withTruth {
      panels += [
        try Panel("1 image", image),
        try Panel("2 ground truth", Palette.colored(truth, by: table.palette)),
      ]
    }
    self.panels =
      try panels + [
        Panel("3 prediction", Palette.colored(predicted, by: table.palette)),
        Panel("4 errors", ErrorMap(of: image, target: truth.pixels, prediction: predicted.pixels).image),
        Panel("5 edges", edges.reducedByMean),
        Panel("6 attention", attention.reducedByMean),
      ]
  }
}

extension Image {
  /// The factor by which the image is made no longer than `ImagePanels.longestSide`.
  private var reduction: Double {
    min(1, Double(ImagePanels.longestSide) / Double(max(size.width, size.height)))
  }

  /// Reduced; each pixel is the mean of those that it covers.
  fileprivate var reducedByMean: Image { Resize.mean(self, to: Resize.scaled(size, by: reduction)) }

  /// Reduced; each pixel is one of the image's.
  fileprivate var reducedByChoice: Image { reduction < 1 ? Resize.nearest(self, by: reduction) : self }
}

extension GatedSCNN {
  /// The class of every pixel of an image, and the boundary probability and the attention of the shape stream, 0 … 255.
  func maps(of sample: Sample, on workers: WorkerPool) -> (classes: Image, edges: Image, attention: Image) {
    let batch = Batch(whole: sample, normalization: normalization)
    var attention: Tensor?
    let tape = Tape(.evaluation, precision: precision, workers: workers)
    let output = self(image: batch.image, canny: batch.canny, in: tape) {
      attention = $0.value
    }
    func gray(_ probabilities: [Float]) -> Image {
      let pixels = probabilities.map { $0.isFinite ? UInt8((min(max($0, 0), 1) * 255).rounded()) : 0 }
      return Image(sample.image.size, channels: 1, pixels: pixels)
    }
    return (
      Image(sample.image.size, channels: 1, pixels: Prediction.argmax(output.logits.value, on: workers)),
      gray(output.edge.value.dense), gray(attention?.dense ?? [])
    )
  }
}
