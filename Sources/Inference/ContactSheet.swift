import Cityscapes
import Images
import System
import Tensors

/// One PNG file with thumbnails of many images: image and prediction side by side, with the name above.
package final class ContactSheet: PredictionCollector {
  /// The most images that are shown.
  package static let limit = 48
  /// The most pixels of a thumbnail's sides.
  private static let box = Size(240, 240)

  private let path: String
  private let names: [String]
  private let table: LabelTable
  /// The images that are shown, as indices: evenly spread over all of them.
  private let chosen: Set<Int>
  private var thumbnails: [Int: (image: Image, prediction: Image)] = [:]
  private var seen: Set<UInt8> = []

  /// - Parameters:
  ///   - path: of the file.
  ///   - names: of all images.
  package init(_ path: String, names: [String], _ table: LabelTable = .cityscapes) {
    self.path = path
    self.names = names
    self.table = table
    let count = min(names.count, Self.limit)
    // The first and the last image are shown.
    chosen = Set((0..<count).map { count > 1 ? $0 * (names.count - 1) / (count - 1) : 0 })
  }

  package func create() throws {
    try reporting {
      try FileSystem().createDirectory(FileSystem.parent(of: path))
      try FileSystem().probeFile(path)
    }
  }

  /// Width and height of the thumbnail, whether each class occurs, the pixels of both thumbnails.
  package func encode(_ prediction: [UInt8], of image: Image, index: Int) -> [UInt8] {
    guard chosen.contains(index) else { return [] }
    let size = Resize.size(image.size, fitting: Self.box)
    let colored = Palette.colored(Image(image.size, channels: 1, pixels: prediction), by: table.palette)
    var occurs = [UInt8](repeating: 0, count: 256)
    for id in prediction { occurs[Int(id)] = 1 }
    return [UInt8(size.width), UInt8(size.height)] + occurs + Resize.mean(image, to: size).pixels
      + Resize.mean(colored, to: size).pixels
  }

  package func add(_ encoded: [UInt8], index: Int) {
    let size = Size(Int(encoded[1]), Int(encoded[0]))
    for id in UInt8.min...UInt8.max where encoded[2 + Int(id)] == 1 { seen.insert(id) }
    let pixels = encoded.dropFirst(2 + 256)
    let half = pixels.count / 2
    thumbnails[index] = (
      Image(size, channels: 3, pixels: Array(pixels.prefix(half))),
      Image(size, channels: 3, pixels: Array(pixels.suffix(half)))
    )
  }

  package func finish() throws {
    guard !thumbnails.isEmpty else { return }
    let sheet = sheet()
    try reporting { try PNG.write(sheet, to: path) }
  }

  private func sheet() -> Image {
    let cells = chosen.sorted().map { index in
      PanelSheet.Panel(names[index], thumbnails[index].map(pair) ?? missing)
    }
    let columns = cells.count <= 3 ? cells.count : cells.count <= 12 ? 3 : 4
    let rows = stride(from: 0, to: cells.count, by: columns).map { Array(cells[$0..<min($0 + columns, cells.count)]) }
    let images = names.count == 1 ? "1 image" : "\(names.count) images"
    let legend = table.classes.enumerated().compactMap { id, entry in
      seen.contains(UInt8(id)) ? Legend.Entry(entry.color, entry.name) : nil
    }
    return PanelSheet(
      heading: chosen.count < names.count
        ? "\(chosen.count) of \(images), evenly chosen: image and prediction" : "\(images): image and prediction",
      rows, legends: [(nil, legend)], textHeight: 10
    ).drawn()
  }

  private func pair(_ thumbnail: (image: Image, prediction: Image)) -> Image {
    let size = thumbnail.image.size
    var canvas = Canvas(Size(size.height, 2 * Self.box.width + 2))
    canvas.draw(thumbnail.image, x: (Self.box.width - size.width) / 2, y: 0)
    canvas.draw(thumbnail.prediction, x: Self.box.width + 2 + (Self.box.width - size.width) / 2, y: 0)
    return canvas.image
  }

  /// Of an image that could not be read.
  private var missing: Image {
    var canvas = Canvas(Size(Self.box.height / 2, 2 * Self.box.width + 2), color: (red: 232, green: 232, blue: 232))
    canvas.write("could not be read", x: 10, y: 10, height: 10)
    return canvas.image
  }

  private func reporting(_ body: () throws -> Void) throws {
    do { try body() } catch let error as ImageError { throw error } catch {
      throw InferenceError.cannotWritePicture(path, reason: error.posixMessage)
    }
  }
}
