import Cityscapes
import Foundation
import ImageFixtures
import SyntheticStreets
import Tensors
import Testing

extension TemporaryFolder {
  /// Small synthetic streets in this folder.
  func streets(train: Int = 6, val: Int = 0, width: Int = 64, height: Int = 32) throws -> [SamplePaths] {
    try SyntheticStreets(train: train, val: val, test: 0, size: Size(height, width), seed: 3).write(to: path)
    return try CityscapesDirectory(root: path).samples(of: .train)
  }

  /// The same, preprocessed.
  func preprocessedStreets(train: Int = 6, width: Int = 64, height: Int = 32) throws -> [SamplePaths] {
    let samples = try streets(train: train, width: width, height: height)
    _ = try Preprocessing(samples).run()
    return samples
  }

  /// A sample of the image and the label ids in `ImageFixtures`.
  func fixtureSample() throws -> SamplePaths {
    let paths = SamplePaths(root: path, split: .train, city: "fixture", name: "fixture_000000_000019")
    try copy(ImageFixtures.path("image"), to: paths.image)
    try copy(ImageFixtures.path("labelIds"), to: paths.labelIds)
    return paths
  }

  func copy(_ file: String, to path: String) throws {
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    try FileManager.default.copyItem(atPath: file, toPath: path)
  }
}

/// Truncates a file to its first half.
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
