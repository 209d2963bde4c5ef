import Foundation
import Images
import Tensors

/// An image with its ground truth in memory that somebody else keeps, perhaps only the part of it that is needed.
struct SampleView {
  /// RGB.
  let image: ImageView
  /// One channel, `GroundTruth.packed`.
  let truth: ImageView

  /// Of the whole image.
  var size: Size { Size(image.height, image.width) }
}

/// Decodes samples one after the other, of each no more than is wanted, with memory that it uses again.
final class SampleReader {
  private let files = PNGReader()
  private let (image, trainIds, canny, boundary, truth) =
    (ImageRows(), ImageRows(), ImageRows(), ImageRows(), ImageRows())

  /// Decodes the files of a prepared sample and lends them to `body`.
  ///
  /// - Parameter window: which part of an image of this size is wanted.
  /// - Throws: `ImageError` that names the file which is missing, damaged, of another kind or size, or not train ids.
  ///   Damage in rows below the window is not seen.
  func read<Result>(
    _ paths: SamplePaths, window: (Size) -> Image.Rect, body: (SampleView) -> Result
  ) throws(ImageError) -> Result {
    let (width, height) = try files.open(paths.image, as: .rgb)
    let size = Size(height, width)
    let window = window(size)
    let image = try files.read(window, into: image)
    let trainIds = try map(paths.labelTrainIds, of: size, window, into: trainIds)
    let canny = try map(paths.grad, of: size, window, into: canny)
    let boundary = try map(paths.boundary, of: size, window, into: boundary)
    var stray: UInt8?
    let truth = truth.view(of: (width, height), channels: 1, window: window) { packed in
      for y in window.y..<window.y + window.height where stray == nil {
        let row = packed + (y - window.y) * (window.x + window.width)
        stray = Self.pack(trainIds.row(y), canny.row(y), boundary.row(y), window.x..<window.x + window.width, to: row)
      }
    }
    if let stray {
      throw ImageError(
        path: paths.labelTrainIds, problem: "holds \(stray), which is no train id (0 … 18 or 255)",
        remedy: "remove the file and run gscnn prepare")
    }
    return body(SampleView(image: image, truth: truth))
  }

  private func map(
    _ path: String, of size: Size, _ window: Image.Rect, into rows: ImageRows
  ) throws(ImageError) -> ImageView {
    let (width, height): (Int, Int)
    do {
      (width, height) = try files.open(path, as: .gray)
    } catch {
      if FileManager.default.fileExists(atPath: path) { throw error }
      throw ImageError(path: path, problem: "does not exist", remedy: "run gscnn prepare")
    }
    guard width == size.width, height == size.height else {
      throw ImageError(
        path: path, problem: "\(width)×\(height), but its image is \(size.width)×\(size.height)",
        remedy: "remove the file and run gscnn prepare")
    }
    return try files.read(window, into: rows)
  }

  /// Packs some columns of a row.
  ///
  /// - Returns: the first train id that is none, if there is one.
  private static func pack(
    _ trainIds: UnsafePointer<UInt8>, _ canny: UnsafePointer<UInt8>, _ boundary: UnsafePointer<UInt8>,
    _ columns: Range<Int>, to packed: UnsafeMutablePointer<UInt8>
  ) -> UInt8? {
    let classes = UInt8(Label.classCount)
    // Counted up rather than searched: the loop becomes vector instructions.
    var strays: UInt8 = 0
    for x in columns {
      let id = trainIds[x]
      strays |= id >= classes && id != Label.ignored ? 1 : 0
      packed[x] = GroundTruth.packed(trainId: id, canny: canny[x], boundary: boundary[x])
    }
    return strays == 0 ? nil : columns.lazy.map { trainIds[$0] }.first { $0 >= classes && $0 != Label.ignored }
  }
}
