import System
import Tensors

/// Images to predict: PNG files of every kind and JPEG files, read as 8-bit RGB. The contents of a file decide, not its
/// name.
package enum Photograph {
  /// How the names of such files end, in lower case.
  package static let endings = [".png", ".jpg", ".jpeg"]

  /// Whether a file's name ends as that of an image.
  package static func isNamed(_ name: String) -> Bool {
    let name = name.lowercased()
    return endings.contains { name.hasSuffix($0) }
  }

  /// Reads a whole image. Gray and palettes become RGB, 16 bits become 8, transparency is dropped.
  package static func read(_ path: String) throws(ImageError) -> Image {
    isJPEG(path) ? try JPEG.read(path) : try PNGReader(path, as: .photograph).read()
  }

  /// Reads the size of an image, without its pixels.
  package static func size(_ path: String) throws(ImageError) -> Size {
    isJPEG(path) ? try JPEG.size(path) : try PNGReader(path, as: .photograph).size
  }

  /// Whether a file begins as a JPEG file does.
  package static func isJPEG(_ path: String) -> Bool {
    guard let file = try? MappedFile(path) else { return false }
    defer { withExtendedLifetime(file) {} }
    return JPEG.isBeginning(file.bytes)
  }
}
