/// Where predictions for the benchmark server are written: a folder, a zip archive, or both.
package struct ExportDestination: Sendable, Equatable {
  package let folder: String?
  package let archive: String?

  /// - Parameters:
  ///   - path: a folder, or an archive if it ends in `.zip`.
  ///   - zip: whether a folder is archived too, beside it under its name.
  package init(_ path: String, zip: Bool) {
    if path.lowercased().hasSuffix(".zip") {
      (folder, archive) = (nil, path)
    } else {
      var name = path[...]
      while name.count > 1, name.hasSuffix("/") { name.removeLast() }
      (folder, archive) = (path, zip ? "\(name).zip" : nil)
    }
  }
}
