import Foundation

/// Damage inside a file, which neither its size, its dates nor its header shows.
package struct ImageDamage {
  private let file: URL
  private let whole: Data

  /// Changes 64 bytes in the middle of a file.
  package init(_ path: String) throws {
    file = URL(fileURLWithPath: path)
    whole = try Data(contentsOf: file)
    var damaged = whole
    for place in whole.count / 2..<whole.count / 2 + 64 { damaged[place] ^= 0xFF }
    try write(damaged)
  }

  package func repair() throws { try write(whole) }

  private func write(_ bytes: Data) throws {
    var status = stat()
    guard stat(file.path, &status) == 0 else { throw CocoaError(.fileReadNoSuchFile) }
    try bytes.write(to: file)
    // To the ns, so that the maps made from an image count as current.
    guard utimensat(AT_FDCWD, file.path, [status.st_atim, status.st_mtim], 0) == 0 else {
      throw CocoaError(.fileWriteUnknown)
    }
  }
}
