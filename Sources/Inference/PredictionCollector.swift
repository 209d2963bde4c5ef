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

/// Several collectors. One that fails costs its own file, and neither the others nor the results of each image.
package final class PredictionCollectors {
  /// The same on all ranks.
  let all: [any PredictionCollector]
  private var failed: Set<Int> = []
  private var firstFailure: (any Error)?

  package init(_ all: [any PredictionCollector] = []) { self.all = all }

  /// On rank 0.
  func add(_ encoded: [UInt8], index: Int, to number: Int) {
    guard !failed.contains(number) else { return }
    attempt(number) { try all[number].add(encoded, index: index) }
  }

  /// Completes the files of those that have not failed. On rank 0, at the end.
  ///
  /// - Throws: the first error there was.
  package func finish() throws {
    for number in all.indices where !failed.contains(number) { attempt(number) { try all[number].finish() } }
    if let firstFailure { throw firstFailure }
  }

  private func attempt(_ number: Int, _ body: () throws -> Void) {
    do {
      try body()
    } catch {
      failed.insert(number)
      firstFailure = firstFailure ?? error
    }
  }
}
