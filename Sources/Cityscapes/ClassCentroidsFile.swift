import Foundation
import Images
import System

/// The file beside the prepared maps that keeps the class centroids of the training split: one line of JSON with its
/// checksum.
package struct ClassCentroidsFile: Sendable {
  package let path: String

  /// - Parameter folder: of the prepared maps.
  package init(folder: String) { path = "\(folder)/train_class_centroids.json" }

  private struct Content: Codable {
    var version = 1
    /// What the centroids were computed from.
    let source: UInt64
    let tile: Int
    let pixels: [Int]
    /// For each class, sample, row and column of each centroid, one after another.
    let places: [[Int]]
  }

  /// - Parameters:
  ///   - source: `source(of:classes:)` of the present maps.
  ///   - samples: in the split.
  /// - Returns: nil if there is no such file, or it is damaged, of another version, or made from other maps.
  package func read(source: UInt64, samples: Int, classes: Int) -> ClassCentroids? {
    guard let file = try? MappedFile(path) else { return nil }
    return Self.decode(Data(file.bytes), source: source, samples: samples, classes: classes)
  }

  /// - Throws: `FileError`.
  package func write(_ text: Data) throws {
    try FileSystem().createDirectory(FileSystem.parent(of: path))
    try FileSystem().replaceFile(path, with: text, sync: false, severalWriters: true)
  }

  /// The contents of the file.
  package static func encode(_ centroids: ClassCentroids, source: UInt64) throws -> Data {
    let places = centroids.places.map { places in
      places.flatMap { [$0.sample, $0.centroid.row, $0.centroid.column] }
    }
    let content = Content(source: source, tile: SampleClasses.tile, pixels: centroids.pixels, places: places)
    return ChecksummedText.encode(try JSON.encode(content, .sortedKeys) + Data("\n".utf8))
  }

  /// - Returns: as `read`.
  package static func decode(_ data: Data, source: UInt64, samples: Int, classes: Int) -> ClassCentroids? {
    // No side of an image that can be read is longer.
    let (sides, counts) = (0..<PNG.maximumPixels, 0...1 << 53)
    guard let text = ChecksummedText.decode(data), let content = try? JSON.decode(Content.self, from: text),
      content.version == 1, content.source == source, content.tile == SampleClasses.tile,
      content.pixels.count == classes, content.places.count == classes, content.pixels.allSatisfy(counts.contains),
      content.places.allSatisfy({ $0.count % 3 == 0 })
    else { return nil }
    let places = content.places.map { numbers in
      stride(from: 0, to: numbers.count, by: 3).map { start in
        ClassCentroids.Place(
          sample: numbers[start], centroid: Centroid(row: numbers[start + 1], column: numbers[start + 2]))
      }
    }
    guard
      places.joined().allSatisfy({
        (0..<samples).contains($0.sample) && sides.contains($0.centroid.row) && sides.contains($0.centroid.column)
      })
    else { return nil }
    return ClassCentroids(pixels: content.pixels, places: places)
  }

  // MARK: - What it was made from

  /// A hash of the contents of the map of train ids, by what the map says it was made from: its date does not matter.
  ///
  /// - Throws: `ImageError` if it is missing or damaged.
  package static func source(of paths: SamplePaths) throws(ImageError) -> UInt64 {
    let path = paths.labelTrainIds
    let map = try PNGReader(path, as: .gray)
    let hash: [UInt64]
    if let source = map.text(MapSource.keyword).flatMap(MapSource.init) {
      hash = [source.hash, source.table ?? 0]
    } else {
      hash = [try MapSource.hash(of: path), 0]
    }
    let numbers = hash + [UInt64(map.size.height), UInt64(map.size.width)]
    return numbers.withUnsafeBytes(XXH64.hash)
  }

  /// A hash of what centroids are made from.
  ///
  /// - Parameters:
  ///   - maps: `source(of:)` of each sample, in order.
  ///   - names: a hash of the names of the samples.
  package static func source(of maps: [UInt64], names: UInt64, classes: Int) -> UInt64 {
    (maps + [names, UInt64(classes), UInt64(SampleClasses.tile)]).withUnsafeBytes(XXH64.hash)
  }
}
