import Foundation
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
    let picture = try PNG.read(paths.picture, as: .rgb)
    func map(_ path: String) throws(PictureError) -> Picture {
      let map: Picture
      do {
        map = try PNG.read(path, as: .grey)
      } catch {
        if FileManager.default.fileExists(atPath: path) { throw error }
        throw PictureError(path: path, problem: "does not exist", remedy: "run gscnn prepare")
      }
      guard map.width == picture.width, map.height == picture.height else {
        throw PictureError(
          path: path, problem: "\(map.width)×\(map.height), but its picture is \(picture.width)×\(picture.height)",
          remedy: "remove the file and run gscnn prepare")
      }
      return map
    }
    let trainIds = try map(paths.labelTrainIds)
    if let stray = firstStray(in: trainIds) {
      throw PictureError(
        path: paths.labelTrainIds, problem: "holds \(stray), which is no train id (0 … 18 or 255)",
        remedy: "remove the file and run gscnn prepare")
    }
    return Sample(
      index: index, picture: picture, trainIds: trainIds, canny: try map(paths.grad),
      boundary: try map(paths.boundary))
  }

  /// The first value that is no train id, if there is one.
  private static func firstStray(in map: Picture) -> UInt8? {
    let classes = UInt8(Label.classCount)
    let clean = map.pixels.withUnsafeBufferPointer { pixels in
      // Counted up rather than searched: the loop becomes vector instructions.
      var strays: UInt8 = 0
      for value in pixels { strays |= value >= classes && value != Label.ignored ? 1 : 0 }
      return strays == 0
    }
    return clean ? nil : map.pixels.first { $0 >= classes && $0 != Label.ignored }
  }
}
