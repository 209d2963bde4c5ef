import Images
import Tensors

/// An image with its ground truth, all of one size.
package struct Sample: Sendable {
  /// The index in the sorted list of the split, which also selects the sample's random numbers.
  package let index: Int
  /// RGB.
  package let image: Image
  /// Classes from 0 on, or `Label.ignored`.
  package let trainIds: Image
  /// 0 where there is no edge.
  package let canny: Image
  /// 0 away from class boundaries.
  package let boundary: Image

  package init(index: Int, image: Image, trainIds: Image, canny: Image, boundary: Image) {
    precondition(image.channels == 3)
    for map in [trainIds, canny, boundary] { precondition(map.channels == 1 && map.size == image.size) }
    self.index = index
    self.image = image
    self.trainIds = trainIds
    self.canny = canny
    self.boundary = boundary
  }

  /// Decodes the files of a preprocessed sample.
  ///
  /// - Parameter classes: train ids are less.
  /// - Throws: `ImageError` with the file that is missing, damaged, of another kind or size, or holds no train ids.
  package static func read(
    _ paths: SamplePaths, index: Int, classes: Int = Label.classCount
  ) throws(ImageError) -> Sample {
    let reader = SampleReader(classes: classes)
    let sample = try reader.open(paths, index: index)
    let whole = Image.Rect(sample.size)
    let view = try reader.read(sample, whole)
    let (image, truth) = (view.image.cropped(to: whole), view.truth.cropped(to: whole))
    if truth.channels == 3 {
      func map(_ channel: Int) -> Image {
        Image(
          whole.size, channels: 1,
          pixels: stride(from: channel, to: truth.pixels.count, by: 3).map { truth.pixels[$0] })
      }
      return Sample(index: index, image: image, trainIds: map(0), canny: map(1), boundary: map(2))
    }
    func map(_ value: (UInt8) -> UInt8) -> Image {
      Image(whole.size, channels: 1, pixels: truth.pixels.map(value))
    }
    return Sample(
      index: index, image: image, trainIds: map(GroundTruth.trainId),
      canny: map { GroundTruth.canny($0) == 0 ? 0 : 255 }, boundary: map(GroundTruth.boundary))
  }

  /// Lends the pixels for the duration of `body`.
  func withView(_ body: (SampleView) -> Void) {
    if trainIds.pixels.contains(where: { $0 >= GroundTruth.packedClasses && $0 != Label.ignored }) {
      return withWideView(body)
    }
    var truth = trainIds
    for pixel in truth.pixels.indices {
      truth.pixels[pixel] = GroundTruth.packed(
        trainId: trainIds.pixels[pixel], canny: canny.pixels[pixel], boundary: boundary.pixels[pixel])
    }
    image.withView { image in truth.withView { body(SampleView(image: image, truth: $0)) } }
  }

  /// As `withView`, for train ids that cannot be packed.
  private func withWideView(_ body: (SampleView) -> Void) {
    var truth = Image(image.size, channels: 3)
    for pixel in trainIds.pixels.indices {
      truth.pixels[3 * pixel] = trainIds.pixels[pixel]
      truth.pixels[3 * pixel + 1] = canny.pixels[pixel]
      truth.pixels[3 * pixel + 2] = boundary.pixels[pixel]
    }
    image.withView { image in truth.withView { body(SampleView(image: image, truth: $0)) } }
  }
}

/// A sample in borrowed memory: all rows of it, or some of them.
struct SampleView {
  /// RGB.
  let image: ImageView
  /// One channel, `GroundTruth.packed`; or three: train id, Canny edge and boundary, each of the latter 0 or not.
  let truth: ImageView

  /// Of the whole image.
  var size: Size { image.size }
}
