import Foundation
import Glibc
import Images
import System

/// Size and times of a file.
struct FileStamp: Equatable {
  /// Bytes.
  var size = 0
  /// Modification time in ns. Copying programs can set it, also to a time in the past or the future.
  var modified = 0
  /// When the file got its present contents, name or owner on this disk, in ns. It cannot be set.
  var changed = 0

  /// No file.
  static let none = FileStamp()

  private init() {}

  init?(_ path: String) {
    var status = stat()
    guard stat(path.pathBytes, &status) == 0 else { return nil }
    func nanoseconds(_ time: timespec) -> Int { time.tv_sec &* 1_000_000_000 &+ time.tv_nsec }
    (size, modified, changed) =
      (Int(status.st_size), nanoseconds(status.st_mtim), nanoseconds(status.st_ctim))
  }
}

/// The file that a prepared map was made from. The map's PNG file carries it as a text, so that it stays with the map
/// wherever that is copied.
struct MapSource: Codable, Equatable {
  /// Bytes.
  let size: Int
  /// Modification time in ns. While it and the size are the same, the file is taken for unchanged and not hashed.
  var modified: Int
  /// XXH64 of the file.
  let hash: UInt64
  /// What the file holds, if it is a label map.
  let labels: LabelCounts?
  /// Of the label table that the map was made with, if it depends on one; nil for Cityscapes.
  let table: UInt64?

  /// - Parameters:
  ///   - stamp: of the file before it was read; `.none` if there is no file.
  ///   - table: `LabelTable.mapDigest`, of a map made from labels.
  init(_ path: String, _ stamp: FileStamp, labels: LabelCounts?, table: UInt64?) throws(ImageError) {
    self.table = table
    size = stamp.size
    modified = stamp.modified
    hash = stamp == .none ? 0 : try Self.hash(of: path)
    self.labels = labels
  }

  static func hash(of path: String) throws(ImageError) -> UInt64 {
    do throws(FileError) {
      return try XXH64.hashOfFile(path)
    } catch {
      throw ImageError(path: path, problem: "cannot be read (\(error.reason))", remedy: "restore the file")
    }
  }

  static let keyword = "gscnn source"

  /// - Parameter text: that a map carries under `keyword`.
  init?(_ text: String) {
    guard let source = try? JSON.decode(MapSource.self, from: Data(text.utf8)) else { return nil }
    self = source
  }

  var text: PNG.Text {
    // Numbers can always be encoded.
    let value = (try? JSON.encode(self, .sortedKeys)).map { String(decoding: $0, as: UTF8.self) }
    return PNG.Text(keyword: Self.keyword, value: value ?? "")
  }
}

extension LabelTable {
  /// A hash of what the prepared maps depend on: the train id of each label id. nil for Cityscapes, whose maps do not carry
  /// it.
  var mapDigest: UInt64? {
    isCityscapes ? nil : (trainIds + isLabel.map { $0 ? 1 : 0 }).withUnsafeBytes { XXH64.hash($0) }
  }
}
