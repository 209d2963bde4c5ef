import Images
import Tensors

/// The image of a sample, opened: its size is known and nothing is decoded yet.
enum ImageFile {
  case png(PNGReader)
  /// libjpeg decodes a whole image.
  case jpeg(String, Size)

  /// - Throws: `ImageError` if the file is missing or of another kind: Cityscapes consists of 8-bit RGB PNG files, other data
  ///   sets of PNG files of every kind and JPEG files.
  init(_ paths: SamplePaths) throws(ImageError) {
    if !paths.isOfCityscapes, Photograph.isJPEG(paths.image) {
      self = .jpeg(paths.image, try JPEG.size(paths.image))
    } else {
      self = .png(try PNGReader(paths.image, as: paths.isOfCityscapes ? .rgb : .photograph))
    }
  }

  var size: Size {
    switch self {
    case .png(let reader): reader.size
    case .jpeg(_, let size): size
    }
  }

  /// Throws if a PNG file is truncated. A JPEG file shows that only when it is decoded.
  func requireEnd() throws(ImageError) {
    if case .png(let reader) = self { try reader.requireEnd() }
  }

  /// Reads the rows of a window or more; as `PNGReader.read(_:into:)`.
  func read(_ window: Image.Rect, into buffer: ImageBuffer) throws(ImageError) -> ImageView {
    switch self {
    case .png(let reader): return try reader.read(window, into: buffer)
    case .jpeg(let path, let size):
      let image = try JPEG.read(path)
      guard image.size == size else {
        throw ImageError(
          path: path, problem: "has changed while it was read", remedy: "leave the data set as it is, and start again")
      }
      return buffer.fill(size: size, channels: 3, rows: 0..<size.height) { _ = $0.update(fromContentsOf: image.pixels) }
    }
  }

  /// Reads the whole image as RGB.
  static func read(_ paths: SamplePaths) throws(ImageError) -> Image {
    paths.isOfCityscapes ? try PNG.read(paths.image, as: .rgb) : try Photograph.read(paths.image)
  }
}
