import Foundation
import System
import Training

/// An HTML page that replaces the file of its name.
enum PageFile {
  /// Checks that a page can be written there, so that nothing takes hours in vain.
  ///
  /// - Parameters:
  ///   - path: of the page.
  ///   - option: by which the path is given.
  static func requireWritable(_ path: String, option: String) throws {
    try reporting(path, option) {
      if FileSystem.isDirectory(path, followingLinks: true) { throw FileError(path, .create, errno: EISDIR) }
      if !FileSystem.isStream(path) { try FileSystem().probe(FileSystem.parent(of: path)) }
    }
  }

  static func write(_ text: String, to path: String, option: String) throws {
    try reporting(path, option) { try FileSystem().replaceFile(path, with: text.utf8, sync: false) }
  }

  private static func reporting(_ path: String, _ option: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      throw OptionError(option, path, "the page cannot be written (\(error.posixMessage)); give another path")
    }
  }
}
