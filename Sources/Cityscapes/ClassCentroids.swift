import Images
import System
import Tensors

/// Where each class is in the label maps of a split, and how many pixels it has.
///
/// A map is divided into tiles; each tile that has pixels of a class contributes their centroid, so that something that
/// occurs in several parts of an image is found in all of them.
package struct ClassCentroids: Sendable, Equatable {
  /// A centroid of a class.
  package struct Place: Sendable, Equatable {
    /// Index in the split.
    package let sample: Int
    package let centroid: Centroid

    package init(sample: Int, centroid: Centroid) {
      self.sample = sample
      self.centroid = centroid
    }
  }

  /// Pixels of each class, by train id.
  package let pixels: [Int]
  /// The centroids of each class, by train id: in the order of the samples, and the tiles of each row by row.
  package let places: [[Place]]

  /// - Parameters:
  ///   - pixels: by train id.
  ///   - places: by train id.
  package init(pixels: [Int], places: [[Place]]) {
    precondition(pixels.count == places.count, "both for each class")
    self.pixels = pixels
    self.places = places
  }

  /// - Parameter samples: of each sample of the split, in order.
  package init(_ samples: [SampleClasses], classes: Int) {
    var (pixels, places) = ([Int](repeating: 0, count: classes), [[Place]](repeating: [], count: classes))
    for (sample, own) in samples.enumerated() {
      for trainId in pixels.indices { pixels[trainId] += own.pixels[trainId] }
      for tile in own.tiles {
        places[tile.trainId].append(
          Place(sample: sample, centroid: Centroid(row: tile.row, column: tile.column)))
      }
    }
    self.init(pixels: pixels, places: places)
  }

  /// A hash of the contents.
  package var digest: UInt64 {
    let numbers =
      pixels
      + places.flatMap { places in
        [places.count] + places.flatMap { [$0.sample, $0.centroid.row, $0.centroid.column] }
      }
    return numbers.withUnsafeBytes(XXH64.hash)
  }
}

/// The classes in the label map of one sample.
package struct SampleClasses: Codable, Sendable, Equatable {
  /// The centroid of a class in a tile.
  package struct Tile: Codable, Sendable, Equatable {
    let trainId: Int
    let row: Int
    let column: Int
  }

  /// By train id.
  let pixels: [Int]
  let tiles: [Tile]

  /// Pixels of a side of a tile; those at the right and the bottom may be smaller. A label map of Cityscapes has two.
  package static let tile = 1024

  /// Reads the prepared map of train ids.
  ///
  /// - Throws: `ImageError` if it is missing, damaged, or holds no train ids.
  package init(_ paths: SamplePaths, classes: Int) throws(ImageError) {
    let remedy = "remove the file and run gscnn prepare"
    let map: Image
    do throws(ImageError) {
      map = try PNG.read(paths.labelTrainIds, as: .gray)
    } catch {
      throw ImageError(path: paths.labelTrainIds, problem: error.problem, remedy: remedy)
    }
    self.init(map, classes: classes)
    guard let other = map.pixels.first(where: { $0 >= UInt8(classes) && $0 != Label.ignored }) else { return }
    throw ImageError(
      path: paths.labelTrainIds,
      problem: "holds \(other), which is no train id (0 … \(classes - 1) or \(Label.ignored))", remedy: remedy)
  }

  /// - Parameters:
  ///   - trainIds: an image of one channel; values from `classes` on belong to no class.
  ///   - tile: pixels of a side of a tile.
  package init(_ trainIds: Image, classes: Int, tile: Int = SampleClasses.tile) {
    var pixels = [Int](repeating: 0, count: classes)
    var tiles: [Tile] = []
    let (height, width) = (trainIds.size.height, trainIds.size.width)
    trainIds.withView { map in
      for top in stride(from: 0, to: height, by: tile) {
        for left in stride(from: 0, to: width, by: tile) {
          let sums = Self.sums(map, top..<min(top + tile, height), left..<min(left + tile, width))
          for trainId in 0..<classes where sums[trainId].count > 0 {
            let sum = sums[trainId]
            pixels[trainId] += sum.count
            tiles.append(Tile(trainId: trainId, row: sum.rows / sum.count, column: sum.columns / sum.count))
          }
        }
      }
    }
    self.pixels = pixels
    self.tiles = tiles
  }

  /// For each value of a byte, how many pixels have it, and the sums of their rows and columns.
  private static func sums(
    _ map: ImageView, _ rows: Range<Int>, _ columns: Range<Int>
  ) -> [(count: Int, rows: Int, columns: Int)] {
    var sums = [(count: Int, rows: Int, columns: Int)](repeating: (0, 0, 0), count: 256)
    sums.withUnsafeMutableBufferPointer { sums in
      for row in rows {
        let line = map.row(row)
        var start = columns.lowerBound
        // Label maps consist of long runs of one value.
        while start < columns.upperBound {
          let value = line[start]
          var end = start + 1
          while end < columns.upperBound, line[end] == value { end += 1 }
          let count = end - start
          sums[Int(value)].count += count
          sums[Int(value)].rows += count * row
          sums[Int(value)].columns += count * (start + end - 1) / 2
          start = end
        }
      }
    }
    return sums
  }
}
