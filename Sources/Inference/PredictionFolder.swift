import Cityscapes
import Images
import System
import Tensors

/// A folder of predictions, one PNG file for each image of a split.
package struct PredictionFolder: Sendable {
  package enum Format: Sendable {
    /// `NAME_color.png`: palette images of train ids in the colors of their classes.
    case colors
    /// `NAME_SUFFIX.png`: gray images of label ids.
    ///
    /// `prediction` makes a name that the benchmark server accepts and that no file of the data set has. The reference
    /// implementation names the test split's predictions `color`.
    case labelIds(suffix: String = "prediction")
  }

  package let path: String
  private let format: Format
  private let table: LabelTable
  /// Whether there is a folder, and not an archive alone.
  private(set) var isFolder = true
  private var archive: PredictionArchive?
  var hasArchive: Bool { archive != nil }
  /// Of each image's file, without suffix.
  package let names: [String]

  /// - Parameters:
  ///   - samples: all images of the split.
  ///   - table: of the predicted classes.
  package init(
    _ path: String, of samples: [SamplePaths], as format: Format, _ table: LabelTable = .cityscapes
  ) {
    self.path = path
    self.table = table
    self.format = format
    names = Self.names(of: samples)
  }

  /// Predictions for the benchmark server.
  ///
  /// - Parameter names: of the files, without suffix; different from each other.
  package init(_ destination: ExportDestination, names: [String], _ table: LabelTable = .cityscapes) {
    self.table = table
    path = destination.folder ?? destination.archive ?? "."
    format = .labelIds()
    isFolder = destination.folder != nil
    archive = destination.archive.map(PredictionArchive.init)
    self.names = names
  }

  package init(_ destination: ExportDestination, of samples: [SamplePaths], _ table: LabelTable = .cityscapes) {
    self.init(destination, names: Self.names(of: samples), table)
  }

  /// NAME, which begins with the city in Cityscapes; CITY_NAME for a name that images of several cities have.
  static func names(of samples: [SamplePaths]) -> [String] {
    let uses = samples.reduce(into: [String: Int]()) { $0[$1.name, default: 0] += 1 }
    var taken = Set(uses.keys)
    return samples.map { sample in
      guard uses[sample.name] != 1 else { return sample.name }
      var name = "\(sample.city)_\(sample.name)".split(separator: "/").joined(separator: "_")
      while !taken.insert(name).inserted { name += "_" }
      return name
    }
  }

  /// Creates the folder if it is missing, and checks that files can be written there; begins the archive.
  package func create() throws {
    try archive?.create()
    guard isFolder else { return }
    do {
      try FileSystem().createDirectory(path)
    } catch {
      throw InferenceError.cannotCreateFolder(path, reason: error.posixMessage)
    }
    do {
      try FileSystem().probe(path)
    } catch {
      throw InferenceError.cannotWriteFolder(path, reason: error.posixMessage)
    }
  }

  /// The name of an image's file in the folder.
  package func fileName(_ index: Int) -> String {
    switch format {
    case .colors: "\(names[index])_color.png"
    case .labelIds(let suffix): "\(names[index])_\(suffix).png"
    }
  }

  /// The name of the benchmark server's file for an image of `gscnn predict`.
  static func fileName(_ image: String) -> String { "\(FileSystem.name(of: image))_prediction.png" }

  private func file(_ index: Int) -> String { "\(path)/\(fileName(index))" }

  /// The file of an image.
  ///
  /// - Parameters:
  ///   - trainIds: predicted, of each pixel.
  ///   - index: of the image in the split.
  func encode(_ trainIds: [UInt8], _ size: Size, index: Int) throws -> [UInt8] {
    switch format {
    case .colors:
      try PNG.encode(indices: Image(size, channels: 1, pixels: trainIds), palette: table.palette, for: file(index))
    case .labelIds: try PNG.encode(table.labelIds(Image(size, channels: 1, pixels: trainIds)), for: file(index))
    }
  }

  /// Writes what `encode` returned, on any rank.
  func write(_ encoded: [UInt8], index: Int) throws {
    if isFolder { try PNG.write(encoded: encoded, to: file(index)) }
    try archive?.add(fileName(index), encoded)
  }

  /// Completes the archive, if there is one.
  package func finish() throws { try archive?.finish() }
}
