import Pictures

/// A picture with its ground truth, all of one size.
package struct Sample: Sendable {
  /// The place in the sorted list of the split; random numbers are drawn for it.
  package let index: Int
  /// RGB.
  package let picture: Picture
  /// 0 ..< 19, or 255 where ignored.
  package let trainIds: Picture
  /// 0 where there is no edge.
  package let canny: Picture
  /// 0 away from the boundaries of classes.
  package let boundary: Picture

  package init(index: Int, picture: Picture, trainIds: Picture, canny: Picture, boundary: Picture) {
    precondition(picture.channels == 3)
    for map in [trainIds, canny, boundary] {
      precondition(map.channels == 1 && map.width == picture.width && map.height == picture.height)
    }
    self.index = index
    self.picture = picture
    self.trainIds = trainIds
    self.canny = canny
    self.boundary = boundary
  }

  /// Decodes the files of a prepared sample.
  /// - Throws: `PictureError` that names the file which is missing, damaged, of another kind or size, or not train ids.
  package static func read(_ paths: SamplePaths, index: Int) throws(PictureError) -> Sample {
    try SampleReader().read(paths) { size in
      Picture.Window(width: size.width, height: size.height)
    } body: { view in
      let whole = Picture.Window(width: view.size.width, height: view.size.height)
      let truth = view.truth.cropped(to: whole)
      func map(_ value: (UInt8) -> UInt8) -> Picture {
        Picture(width: truth.width, height: truth.height, channels: 1, pixels: truth.pixels.map(value))
      }
      return Sample(
        index: index, picture: view.picture.cropped(to: whole), trainIds: map(GroundTruth.trainId),
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
    picture.withView { picture in truth.withView { body(SampleView(picture: picture, truth: $0)) } }
  }
}
