import Images

/// Makes one file of many predictions, such as a contact sheet or a video.
package protocol PredictionCollector: AnyObject {
  /// Checks that the file can be written, and creates its folder. On rank 0, before the first image.
  func create() throws

  /// What the file takes from an image. On the rank that has predicted it, whose disks may be its own.
  ///
  /// - Parameters:
  ///   - prediction: train ids.
  ///   - image: RGB.
  ///   - index: of the image in the order of all; each comes at most once.
  /// - Returns: nothing if the file does not show this image.
  func encode(_ prediction: [UInt8], of image: Image, index: Int) -> [UInt8]

  /// Takes what `encode` has returned on whichever rank. On rank 0, in the order of the images.
  func add(_ encoded: [UInt8], index: Int) throws

  /// Completes the file, which appears under its name. On rank 0.
  func finish() throws
}
