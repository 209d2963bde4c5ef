import Cityscapes
import Foundation
import Images
import Testing

/// A folder of its own for a test, gone when the test is.
final class ScratchFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/cityscapes-tests-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Made-up streets, small, in this folder.
  func streets(train: Int = 6, val: Int = 0, width: Int = 64, height: Int = 32) throws -> [SamplePaths] {
    try SyntheticStreets(train: train, val: val, test: 0, height: height, width: width, seed: 3).write(to: path)
    return try CityscapesDirectory(root: path).samples(of: .train)
  }

  /// The same, prepared.
  func preparedStreets(train: Int = 6, width: Int = 64, height: Int = 32) throws -> [SamplePaths] {
    let samples = try streets(train: train, width: width, height: height)
    _ = try Preprocessing(samples).run()
    return samples
  }

  /// A sample made of the image and the labels in `Fixtures`.
  func fixtureSample() throws -> SamplePaths {
    let paths = SamplePaths(root: path, split: .train, city: "fixture", name: "fixture_000000_000019")
    try place(Fixture.path("image.png"), at: paths.image)
    try place(Fixture.path("labelIds.png"), at: paths.labelIds)
    return paths
  }

  func place(_ file: String, at path: String) throws {
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    try FileManager.default.copyItem(atPath: file, toPath: path)
  }
}

enum Fixture {
  static func path(_ name: String) -> String {
    (#filePath as NSString).deletingLastPathComponent + "/Fixtures/" + name
  }

  static func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }
}

/// Cuts a file to its first half.
func truncate(_ path: String) throws {
  let url = URL(fileURLWithPath: path)
  let data = try Data(contentsOf: url)
  try data.prefix(data.count / 2).write(to: url)
}

func setModificationDate(of path: String, secondsAgo: Double) throws {
  try FileManager.default.setAttributes(
    [.modificationDate: Date(timeIntervalSinceNow: -secondsAgo)], ofItemAtPath: path)
}

func modificationDate(of path: String) throws -> Date {
  try #require(FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
}
