import Glibc
import System

/// A split of the data set.
package enum Split: String, CaseIterable, Codable, Sendable {
  case train, val, test

  /// How other data sets call it, and itself in lower case.
  fileprivate var otherNames: [String] {
    switch self {
    case .train: ["train", "training"]
    case .val: ["val", "valid", "validation"]
    case .test: ["test", "testing"]
    }
  }
}

/// The files of one sample. Preprocessing writes `labelTrainIds`, `boundary` and `canny` below the folder `prepared`;
/// `color` may be missing.
package struct SamplePaths: Hashable, Sendable {
  package let split: Split
  /// The folder of a split that holds the image; in another data set perhaps `FOLDER/FOLDER`, or empty.
  package let city: String
  /// The common prefix of the file names: `CITY_SSSSSS_FFFFFF`.
  package let name: String
  /// The image, 8-bit RGB.
  package let image: String
  /// Label ids 0 … 33, 8-bit gray.
  package let labelIds: String
  /// Instances, 16-bit gray: label id · 1000 + number, or a label id; may be missing. Only Cityscapes has them: otherwise
  /// the path of no file.
  package let instanceIds: String
  /// Ground truth in the colors of the label table.
  package let color: String
  /// The folder of the prepared maps, which has a folder for each split.
  package var prepared: String
  /// Whether the files are named and of the kinds as in Cityscapes.
  let isOfCityscapes: Bool

  /// Names the image alone among those of its split. Images of Cityscapes have their city in their name; others may differ
  /// in their folder alone.
  package var displayName: String {
    isOfCityscapes || city.isEmpty
      ? name : (city.split(separator: "/") + [name[...]]).joined(separator: "-")
  }

  /// The label ids as train ids: classes from 0 on, or `Label.ignored`.
  package var labelTrainIds: String { map("labelTrainIds") }
  /// 1 along class boundaries, else 0.
  package var boundary: String { map("boundary") }
  /// Canny edges of the image, 0 or 255.
  package var canny: String { map("grad") }

  /// As the reference implementation names them, which has them in `gtFine`.
  private func map(_ kind: String) -> String {
    let folder = "\(prepared)/\(split.rawValue)/\(city)"
    return "\(folder)\(city.isEmpty ? "" : "/")\(name)_\(isOfCityscapes ? "gtFine_" : "")\(kind).png"
  }

  /// The same sample with its maps in another folder.
  package func prepared(in folder: String) -> SamplePaths {
    var paths = self
    paths.prepared = folder
    return paths
  }

  /// - Parameter root: the folder that holds `leftImg8bit` and `gtFine`.
  package init(root: String, split: Split, city: String, name: String) {
    self.split = split
    self.city = city
    self.name = name
    image = "\(root)/leftImg8bit/\(split.rawValue)/\(city)/\(name)\(Self.imageSuffix)"
    let truth = "\(root)/gtFine/\(split.rawValue)/\(city)/\(name)_gtFine_"
    labelIds = truth + "labelIds.png"
    instanceIds = truth + "instanceIds.png"
    color = truth + "color.png"
    prepared = "\(root)/prepared"
    isOfCityscapes = true
  }

  /// A sample of a data set with names of its own.
  ///
  /// - Parameter name: what stands for `{name}`; may contain folders.
  init(root: String, split: Split, name: String, _ files: FilePatterns) {
    self.split = split
    let slash = name.lastIndex(of: "/")
    city = slash.map { String(name[..<$0]) } ?? ""
    self.name = slash.map { String(name[name.index(after: $0)...]) } ?? name
    image = "\(root)/\(files.images(of: split).path(name))"
    labelIds = "\(root)/\(files.labels(of: split).path(name))"
    (instanceIds, color) = ("", "")
    prepared = "\(root)/prepared"
    isOfCityscapes = false
  }

  /// The rest of an image's file name after `name`.
  package static let imageSuffix = "_leftImg8bit.png"
  /// The city of synthetic streets.
  package static let syntheticCity = "synthetica"
}

/// A data set in the directory layout of Cityscapes, or of another one with its own (`FilePatterns`).
///
///     ROOT/leftImg8bit/{train,val,test}/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png
///     ROOT/gtFine/{train,val,test}/CITY/CITY_SSSSSS_FFFFFF_gtFine_….png
///     ROOT/prepared/{train,val,test}/CITY/CITY_SSSSSS_FFFFFF_gtFine_….png    written by `Preprocessing`
package struct CityscapesDirectory: Sendable {
  package let root: String
  /// nil for the layout of Cityscapes.
  let files: FilePatterns?

  package init(root: String, files: FilePatterns? = nil) {
    self.files = files
    self.root = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root
  }

  /// The samples of a split, sorted by city, then file. The index in this list identifies a sample, also for its random
  /// numbers.
  /// - Throws: `CityscapesDirectoryError` if there are none.
  package func samples(of split: Split) throws -> [SamplePaths] { try list(split).samples }

  /// The samples of a split, and the files that are none.
  /// - Throws: `CityscapesDirectoryError` if there are no samples.
  package func list(_ split: Split) throws -> SplitListing {
    if let files { return try list(split, files) }
    let folder = "\(root)/leftImg8bit/\(split.rawValue)"
    var listing = SplitListing(split: split, folder: folder)
    for city in try entries(of: folder) {
      guard FileSystem.isDirectory("\(folder)/\(city)", followingLinks: true) else {
        listing.leftOut.append(city)
        continue
      }
      for file in try entries(of: "\(folder)/\(city)") {
        if file.hasSuffix(SamplePaths.imageSuffix) {
          let name = String(file.dropLast(SamplePaths.imageSuffix.count))
          listing.samples.append(SamplePaths(root: root, split: split, city: city, name: name))
        } else {
          listing.leftOut += try files(at: "\(city)/\(file)", in: folder)
        }
      }
    }
    listing.misnamed = try entries(of: "\(root)/leftImg8bit").first {
      $0 != split.rawValue && split.otherNames.contains($0.lowercased())
    }
    guard listing.samples.isEmpty else { return listing }
    if let nested = nestedImages { throw CityscapesDirectoryError.nested(nested, root: root) }
    if let first = listing.leftOut.first {
      throw CityscapesDirectoryError.otherNames(folder: folder, count: listing.leftOut.count, first: first)
    }
    let hasOthers = Split.allCases.contains { other in
      other != split && !((try? entries(of: "\(root)/leftImg8bit/\(other.rawValue)")) ?? []).isEmpty
    }
    if hasOthers { throw CityscapesDirectoryError.emptySplit(root: root, split) }
    throw dataSetNearby.map { .elsewhere(root: root, $0) } ?? CityscapesDirectoryError.noImages(root: root)
  }

  /// `leftImg8bit` unzipped into `leftImg8bit`, if it is there.
  private var nestedImages: String? {
    let nested = "\(root)/leftImg8bit/leftImg8bit"
    return FileSystem.isDirectory(nested, followingLinks: true) ? nested : nil
  }

  /// The folder with `leftImg8bit` that is probably meant: the one that holds `root`, or one in `root`.
  private var dataSetNearby: String? {
    let inside = ((try? entries(of: root)) ?? []).filter { $0 != "leftImg8bit" }.map { "\(root)/\($0)" }
    return (inside + [FileSystem.parent(of: root)]).first {
      FileSystem.isDirectory($0 + "/leftImg8bit", followingLinks: true)
    }
  }

  /// A file, or the files in a folder and its folders, as paths in `folder`. Symbolic links are not followed, so that
  /// there is no circle.
  func files(at name: String, in folder: String) throws -> [String] {
    guard FileSystem.isDirectory("\(folder)/\(name)") else { return [name] }
    return try entries(of: "\(folder)/\(name)").flatMap { try files(at: "\(name)/\($0)", in: folder) }
  }

  /// The names in a folder, sorted, without hidden ones; empty if there is no such folder.
  func entries(of folder: String) throws -> [String] {
    do {
      return try FileSystem.list(folder).filter { !$0.hasPrefix(".") }
    } catch let error as FileError where error.problem == .failed(.open, errno: ENOENT) {
      return []
    } catch let error as FileError where error.problem == .failed(.open, errno: ENOTDIR) {
      return []
    } catch {
      throw CityscapesDirectoryError.unreadable(folder: folder)
    }
  }
}

/// What the image folder of a split holds.
package struct SplitListing: Sendable {
  package let split: Split
  /// `ROOT/leftImg8bit/SPLIT`.
  package let folder: String
  /// How images are named in `folder`.
  var pattern = "CITY/*\(SamplePaths.imageSuffix)"
  /// Sorted by city, then file.
  package internal(set) var samples: [SamplePaths] = []
  /// Files that are not named as images of the split, as paths in `folder`.
  package internal(set) var leftOut: [String] = []
  /// A folder beside it that probably belongs to the split: "Train", "validation".
  var misnamed: String?

  /// What looks like a mistake, a line each.
  package var warnings: [String] {
    var lines: [String] = []
    if let first = leftOut.first {
      let files = leftOut.count == 1 ? "1 file is" : "\(leftOut.count) files are"
      lines.append(
        "\(folder): \(files) not named \(pattern) and left out (first: \(first)); rename or remove "
          + (leftOut.count == 1 ? "it" : "them"))
    }
    if let misnamed {
      lines.append(
        "\(FileSystem.parent(of: folder))/\(misnamed): is left out; move its folders to \(folder), or rename it")
    }
    let synthetic = samples.count { $0.city == SamplePaths.syntheticCity }
    if synthetic > 0, synthetic < samples.count {
      lines.append(
        "\(folder): \(synthetic) of its \(samples.count) images are synthetic streets, the others are not; unless that is "
          + "meant, remove the folder \(folder)/\(SamplePaths.syntheticCity)")
    }
    return lines
  }
}

/// Why a folder holds no samples of a split.
package enum CityscapesDirectoryError: Error, Equatable, CustomStringConvertible {
  case noImages(root: String)
  /// The folder `at` has the layout.
  case elsewhere(root: String, _ at: String)
  /// `leftImg8bit` lies in `leftImg8bit`.
  case nested(String, root: String)
  case emptySplit(root: String, Split)
  case otherNames(folder: String, count: Int, first: String)
  case unreadable(folder: String)
  case inTwoSplits(String, Split, Split)
  /// Of a data set with names of its own.
  case noMatch(folder: String, pattern: String, Split)

  package var description: String {
    switch self {
    case .noImages(let root):
      "\(root): holds no images (looked for \(root)/leftImg8bit/SPLIT/CITY/*\(SamplePaths.imageSuffix))"
    case .elsewhere(let root, let other):
      "\(root): holds no images (looked for \(root)/leftImg8bit/SPLIT/CITY/*\(SamplePaths.imageSuffix)), but "
        + "\(other)/leftImg8bit exists"
    case .nested(let folder, let root):
      "\(folder): lies one folder too deep; mv \(folder)/* \(root)/leftImg8bit && rmdir \(folder)"
    case .emptySplit(let root, let split):
      "\(root)/leftImg8bit/\(split.rawValue): holds no images, other splits do"
    case .otherNames(let folder, let count, let first):
      "\(folder): holds no images; \(count == 1 ? "its file is" : "its \(count) files are") not named "
        + "CITY/*\(SamplePaths.imageSuffix) (first: \(first)); rename \(count == 1 ? "it" : "them"), or unzip "
        + "leftImg8bit_trainvaltest.zip again"
    case .inTwoSplits(let image, let one, let other):
      "\(image): is an image of \(one.rawValue) and of \(other.rawValue); give each split names of its own"
    case .unreadable(let folder):
      "\(folder): cannot be listed; check its permissions"
    case .noMatch(let folder, let pattern, _):
      "\(folder): holds no images (looked for \(pattern))"
    }
  }
}
