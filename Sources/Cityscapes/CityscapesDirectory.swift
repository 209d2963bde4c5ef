import Foundation
import System

/// A split of the data set.
package enum Split: String, CaseIterable, Codable, Sendable {
  case train, val, test
}

/// The files of one sample. Preprocessing writes `labelTrainIds`, `boundary` and `canny`; `color` may be missing.
package struct SamplePaths: Hashable, Sendable {
  package let split: Split
  package let city: String
  /// The common prefix of the file names: `CITY_SSSSSS_FFFFFF`.
  package let name: String
  /// The image, 8-bit RGB.
  package let image: String
  /// Label ids 0 … 33, 8-bit gray.
  package let labelIds: String
  /// The same as train ids: 0 ..< `Label.classCount`, or `Label.ignored`.
  package let labelTrainIds: String
  /// 1 along class boundaries, else 0.
  package let boundary: String
  /// Canny edges of the image, 0 or 255.
  package let canny: String
  /// Ground truth in the colors of the label table.
  package let color: String

  /// - Parameter root: the folder that holds `leftImg8bit` and `gtFine`.
  package init(root: String, split: Split, city: String, name: String) {
    self.split = split
    self.city = city
    self.name = name
    image = "\(root)/leftImg8bit/\(split.rawValue)/\(city)/\(name)\(Self.imageSuffix)"
    let truth = "\(root)/gtFine/\(split.rawValue)/\(city)/\(name)_gtFine_"
    labelIds = truth + "labelIds.png"
    labelTrainIds = truth + "labelTrainIds.png"
    boundary = truth + "boundary.png"
    canny = truth + "grad.png"
    color = truth + "color.png"
  }

  /// The rest of an image's file name after `name`.
  package static let imageSuffix = "_leftImg8bit.png"
}

/// A data set in the directory layout of Cityscapes.
///
///     ROOT/leftImg8bit/{train,val,test}/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png
///     ROOT/gtFine/{train,val,test}/CITY/CITY_SSSSSS_FFFFFF_gtFine_….png
package struct CityscapesDirectory: Sendable {
  package let root: String

  package init(root: String) {
    self.root = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root
  }

  /// The samples of a split, sorted by city, then file. The index in this list identifies a sample, also for its random
  /// numbers.
  /// - Throws: `CityscapesDirectoryError` if there are none.
  package func samples(of split: Split) throws -> [SamplePaths] {
    let folder = "\(root)/leftImg8bit/\(split.rawValue)"
    let cities = try entries(of: folder).filter { FileSystem.isDirectory("\(folder)/\($0)", followingLinks: true) }
    let samples = try cities.flatMap { city in
      try entries(of: "\(folder)/\(city)").filter { $0.hasSuffix(SamplePaths.imageSuffix) }.map {
        SamplePaths(root: root, split: split, city: city, name: String($0.dropLast(SamplePaths.imageSuffix.count)))
      }
    }
    guard samples.isEmpty else { return samples }
    let hasOthers = Split.allCases.contains { other in
      other != split && !((try? entries(of: "\(root)/leftImg8bit/\(other.rawValue)")) ?? []).isEmpty
    }
    throw hasOthers
      ? CityscapesDirectoryError.emptySplit(root: root, split) : CityscapesDirectoryError.noImages(root: root)
  }

  /// The names in a folder, sorted, without hidden ones; empty if there is no such folder.
  private func entries(of folder: String) throws -> [String] {
    guard FileManager.default.fileExists(atPath: folder) else { return [] }
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
    } catch {
      throw CityscapesDirectoryError.unreadable(folder: folder)
    }
  }
}

/// Why a folder holds no samples of a split.
package enum CityscapesDirectoryError: Error, Equatable, CustomStringConvertible {
  case noImages(root: String)
  case emptySplit(root: String, Split)
  case unreadable(folder: String)

  package var description: String {
    switch self {
    case .noImages(let root):
      "\(root): holds no images (looked for \(root)/leftImg8bit/SPLIT/CITY/*\(SamplePaths.imageSuffix))"
    case .emptySplit(let root, let split):
      "\(root)/leftImg8bit/\(split.rawValue): holds no images, other splits do"
    case .unreadable(let folder):
      "\(folder): cannot be listed; check its permissions"
    }
  }
}
