import Cityscapes
import Foundation
import GatedSCNN
import Images
import Tensors

/// What `gscnn view` draws, besides image, ground truth and prediction.
package struct ViewOptions: Sendable, Equatable {
  /// Of each panel, in pixels; nil: that of the image.
  package var width: Int?
  /// Titles, and the classes that occur with their colors and shares.
  package var hasLegend = false
  /// The colors of the prediction over the image, half and half.
  package var hasOverlay = false
  /// Where the prediction is wrong (`ErrorMap`).
  package var hasErrors = false

  package init() {}

  /// Panels at most: the most that a picture may have to be made.
  fileprivate var panels: Int { 3 + (hasOverlay ? 1 : 0) + (hasErrors ? 1 : 0) }
}

/// Renders an image beside its ground truth and its prediction.
package struct PredictionRenderer {
  private let model: GatedSCNN
  private let table: LabelTable
  private let options: InferenceOptions
  private let workers: WorkerPool

  package init(
    _ model: GatedSCNN, _ table: LabelTable = .cityscapes, _ options: InferenceOptions = InferenceOptions(),
    workers: WorkerPool
  ) {
    self.model = model
    self.table = table
    self.options = options
    self.workers = workers
  }

  /// Finds an image by its path below `leftImg8bit/` of the data set, in another data set below its folder, or by its path
  /// in the file system.
  package static func find(
    _ name: String, in dataPath: String, _ table: LabelTable = .cityscapes
  ) throws -> String {
    let folder = table.isCityscapes ? "\(dataPath)/leftImg8bit" : dataPath
    for path in ["\(folder)/\(name)", name] where FileManager.default.fileExists(atPath: path) { return path }
    throw table.isCityscapes
      ? InferenceError.noSuchImage(name, dataPath: dataPath) : .noSuchImageBelow(folder, name)
  }

  /// Returns the image, its ground truth, its prediction and what else is asked for side by side, in the colors of the
  /// classes. The ground truth is left out if its file is missing, and for the test split.
  ///
  /// - Parameter dataPath: the folder of the data set, by which other data sets than Cityscapes find their labels.
  /// - Throws: `InferenceError.noGroundTruth` if errors are asked for without it.
  package func render(_ path: String, in dataPath: String, _ view: ViewOptions = ViewOptions()) throws -> Image {
    let image = try Photograph.read(path)
    let size = view.width.map { Resize.size(image.size, width: $0) } ?? image.size
    guard size.height <= PNG.maximumPixels / (view.panels * size.width) else {
      throw InferenceError.tooLargeView(path, panel: size.widthByHeight)
    }
    let labels = try labelIds(of: path, size: image.size, in: dataPath)
    if view.hasErrors, labels == nil { throw InferenceError.noGroundTruth(path) }
    let prediction = try ImagePredictor(model, options, workers: workers).predict(image, from: path).classes
    return Self.panels(of: image, labels: labels, prediction, table, view, size)
  }

  /// - Parameters:
  ///   - labels: label ids, if there is a ground truth.
  ///   - prediction: train ids.
  ///   - size: of a panel.
  package static func panels(
    of image: Image, labels: Image?, _ prediction: [UInt8], _ table: LabelTable, _ view: ViewOptions, _ size: Size
  ) -> Image {
    let colored = Palette.colored(Image(image.size, channels: 1, pixels: prediction), by: table.palette)
    let target = labels.map { $0.pixels.map { table.trainIds[Int($0)] } }
    let errors = view.hasErrors ? target.map { ErrorMap(of: image, target: $0, prediction: prediction) } : nil
    let panels: [(title: String, image: Image?)] = [
      ("image", image), ("ground truth", labels.map { Palette.colored($0, by: table.idPalette) }),
      ("prediction", colored), ("overlay", view.hasOverlay ? Palette.blended(image, colored) : nil),
      ("errors", errors?.image),
    ]
    let drawn = panels.compactMap { panel in
      panel.image.map { PanelSheet.Panel(panel.title, Resize.mean($0, to: size)) }
    }
    guard view.hasLegend else { return Image.hstack(drawn.map(\.image)) }
    let classes = classLegend(table, target, prediction)
    return PanelSheet(
      heading: nil, [drawn],
      legends: [
        (target == nil ? "share of the prediction" : "share of ground truth / of prediction", classes),
        (errors == nil ? nil : "share of all pixels", errors?.legend ?? []),
      ], textHeight: PanelSheet.textHeight(panelWidth: size.width)
    ).drawn()
  }

  /// The classes that occur, with their shares.
  private static func classLegend(
    _ table: LabelTable, _ target: [UInt8]?, _ prediction: [UInt8]
  ) -> [Legend.Entry] {
    let predicted = LabelCounts(trainIds: prediction, table)
    let labeled = target.map { LabelCounts(trainIds: $0, table) }
    return table.classes.compactMap { entry in
      let counts = [labeled?.count(entry), predicted.count(entry)].compactMap(\.self)
      guard counts.contains(where: { $0 > 0 }) else { return nil }
      let shares = counts.map { LabelCounts.percent($0, of: prediction.count) }
      return Legend.Entry(entry.color, "\(entry.name)  \(shares.joined(separator: " / "))")
    }
  }

  /// The label map file of an image of a data set; nil if it has none.
  private func labels(of path: String, in dataPath: String) -> String? {
    if let files = table.files {
      return files.label(ofImage: path, root: dataPath).flatMap { $0.split == .test ? nil : $0.label }
    }
    let ending = SamplePaths.imageSuffix
    guard path.hasSuffix(ending), let range = path.range(of: "leftImg8bit/", options: .backwards) else { return nil }
    let inside = path[range.upperBound...]
    guard !inside.hasPrefix("test/") else { return nil }
    return path[..<range.lowerBound] + "gtFine/" + inside.dropLast(ending.count) + "_gtFine_labelIds.png"
  }

  /// The label ids of an image of a data set; nil if it has none.
  private func labelIds(of path: String, size: Size, in dataPath: String) throws -> Image? {
    guard let labels = labels(of: path, in: dataPath), FileManager.default.fileExists(atPath: labels) else {
      return nil
    }
    let ids = try PNG.read(labels, as: .gray)
    guard ids.size == size else {
      throw InferenceError.sizeMismatch(
        labels: labels, labelSize: ids.size.widthByHeight, imageSize: size.widthByHeight)
    }
    return ids
  }
}
