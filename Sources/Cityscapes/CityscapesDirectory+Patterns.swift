import Images
import System

extension CityscapesDirectory {
  /// The samples of a split of a data set with names of its own, sorted by path.
  ///
  /// Folders below that of the pattern are searched, without following symbolic links. A label map that has the form of an
  /// image's name, as `{name}_L.png` beside `{name}.png`, is no image.
  ///
  /// - Throws: `CityscapesDirectoryError` if there are no samples.
  func list(_ split: Split, _ files: FilePatterns) throws -> SplitListing {
    let (images, labels) = (files.images(of: split), files.labels(of: split))
    let inside = images.folder
    let folder = inside.isEmpty ? root : "\(root)/\(inside)"
    var listing = SplitListing(split: split, folder: folder)
    listing.pattern = String(images.glob.dropFirst(inside.isEmpty ? 0 : inside.count + 1))
    let found = try imageFiles(in: folder).map { (path: inside.isEmpty ? $0 : "\(inside)/\($0)", inFolder: $0) }
    let names = found.compactMap { images.name(in: $0.path) }
    let labelMaps = Set(names.map(labels.path))
    for (path, inFolder) in found where !labelMaps.contains(path) {
      if let name = images.name(in: path) {
        listing.samples.append(SamplePaths(root: root, split: split, name: name, files))
      } else if labels.name(in: path) == nil, !inside.isEmpty {
        listing.leftOut.append(inFolder)
      }
    }
    guard listing.samples.isEmpty else { return listing }
    throw CityscapesDirectoryError.noMatch(folder: folder, pattern: "\(root)/\(images.glob)", split)
  }

  /// The image files in a folder and its folders, as paths in it. The folder of prepared maps is left out.
  private func imageFiles(in folder: String) throws -> [String] {
    try entries(of: folder).flatMap { entry -> [String] in
      if folder == root, entry == "prepared" { return [] }
      return try files(at: entry, in: folder).filter(Photograph.isNamed)
    }
  }
}
