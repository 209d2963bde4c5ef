import Foundation
import Images

/// A reader of the program that takes bytes from outside, with inputs to start from.
struct Target {
  let name: String
  /// Of a run's inputs, how many parts in a hundred are for this target.
  let share: Double
  let seeds: [[UInt8]]
  let words: [String]
  /// Makes the checksums of an input right.
  var repair: (([UInt8]) -> [UInt8])?
  /// Reads an input; throws the error that a user would see.
  let feed: ([UInt8]) throws -> Void

  static func all(in folder: Folder) throws -> [Target] {
    let jpegs = JPEG.isSupported ? [try jpeg(folder)] : []
    return try jpegs + [
      png(folder), safetensors(folder), checkpoint(folder), manifest(folder), steps(folder),
      kernelFiles(folder), pth(folder), pdparams(folder), zip(folder),
      environment(), classes(folder), augmentation(), centroids(), options(folder), hosts(folder),
      events(folder), run(folder),
    ]
  }
}

/// A folder for the inputs, in memory if possible.
final class Folder {
  let path: String

  init() throws {
    let parent = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
    path = "\(parent)/gscnn-fuzz-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  func place(_ name: String) -> String { path + "/" + name }

  /// Writes a file in place, without waiting for a disk; returns its path.
  @discardableResult
  func write(_ bytes: some Collection<UInt8>, as name: String) throws -> String {
    let descriptor = open(place(name), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
    defer { close(descriptor) }
    let bytes = Array(bytes)
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else { throw CocoaError(.fileWriteOutOfSpace) }
    return place(name)
  }
}
