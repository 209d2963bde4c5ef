import Images

/// An image with its ground truth, all of one size.
package struct Sample: Sendable {
  /// The place in the sorted list of the split; random numbers are drawn for it.
  package let index: Int
  /// RGB.
  package let image: Image
  /// 0 ..< 19, or 255 where ignored.
  package let trainIds: Image
  /// 0 where there is no edge.
  package let canny: Image
  /// 0 away from the boundaries of classes.
  package let boundary: Image

  package init(index: Int, image: Image, trainIds: Image, canny: Image, boundary: Image) {
    precondition(image.channels == 3)
    for map in [trainIds, canny, boundary] {
      precondition(map.channels == 1 && map.width == image.width && map.height == image.height)
    }
    self.index = index
    self.image = image
    self.trainIds = trainIds
    self.canny = canny
    self.boundary = boundary
  }

  /// Decodes the files of a prepared sample.
  /// - Throws: `ImageError` that names the file which is missing, damaged, of another kind or size, or not train ids.
  package static func read(_ paths: SamplePaths, index: Int) throws(ImageError) -> Sample {
    try SampleReader().read(paths) { size in
      Image.Rect(width: size.width, height: size.height)
    } body: { view in
      let whole = Image.Rect(width: view.size.width, height: view.size.height)
      let truth = view.truth.cropped(to: whole)
      func map(_ value: (UInt8) -> UInt8) -> Image {
        Image(width: truth.width, height: truth.height, channels: 1, pixels: truth.pixels.map(value))
      }
      return Sample(
        index: index, image: view.image.cropped(to: whole), trainIds: map(GroundTruth.trainId),
        canny: map { GroundTruth.canny($0) == 0 ? 0 : 255 }, boundary: map(GroundTruth.boundary))
    }
  }

  /// Lends the pixels for as long as `body` runs.
  func withView(_ body: (SampleView) -> Void) {
    var truth = trainIds
    for pixel in truth.pixels.indices {
      truth.pixels[pixel] = GroundTruth.packed(
        trainId: trainIds.pixels[pixel], canny: canny.pixels[pixel], boundary: boundary.pixels[pixel])
    }
    image.withView { image in truth.withView { body(SampleView(image: image, truth: $0)) } }
  }
}
