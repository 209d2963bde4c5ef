import Cityscapes
import Images
import System
import Tensors

/// The first samples that a training feeds the network, as its loader makes them, to look at before the training.
package struct BrowsedSamples {
  /// A slot of a batch.
  package struct Sample {
    package let paths: SamplePaths
    /// RGB, with the normalization undone.
    package let image: Image
    /// `Label.ignored` where a pixel has no class.
    package let trainIds: Image
    /// 0 or 255.
    package let boundary: Image
    /// 0 or 255.
    package let canny: Image

    var name: String { paths.city.isEmpty ? paths.name : "\(paths.city)/\(paths.name)" }
    var hasLabels: Bool { trainIds.pixels.contains { $0 != Label.ignored } }
  }

  package let samples: [Sample]
  private let options: TrainingOptions
  private let maps: PreparedMaps
  private let images: Int

  /// - Parameters:
  ///   - dataset: prepared and drawn, of one rank.
  ///   - count: the most samples to load: those of the first steps of the first epoch.
  ///   - cancelled: asked between two samples.
  /// - Throws: the loader's error about a file; `PreparingStopped`.
  package init(
    _ dataset: TrainingDataset, _ options: TrainingOptions, count: Int, cancelled: () -> Bool = { false }
  ) throws {
    guard let maps = dataset.maps else { preconditionFailure("the maps are prepared first") }
    let loader = dataset.loader(from: Position(epoch: 0, step: 0))
    defer { loader.stop() }
    var samples: [Sample] = []
    while samples.count < count, let batch = try loader.next() {
      if cancelled() { throw PreparingStopped() }
      for (slot, index) in batch.indices.enumerated() where samples.count < count {
        samples.append(
          Sample(
            paths: dataset.train[index], image: batch.rgb(slot, options.imageNormalization),
            trainIds: batch.trainIds(slot), boundary: batch.boundary(slot), canny: batch.canny(slot)))
      }
    }
    (self.samples, self.options, self.maps, images) = (samples, options, maps, dataset.train.count)
  }

  // MARK: - Figures

  /// Of the drawn crops.
  private var labels: LabelCounts {
    LabelCounts(trainIds: samples.flatMap(\.trainIds.pixels), options.table)
  }

  /// The share of each class in the crops, and in each split.
  package var shares: [String] { ["crops: \(labels.shares(options.table))"] + maps.shares }

  /// What looks wrong, a line each.
  package var warnings: [String] {
    var lines: [String] = []
    if let split = maps.labels[.train] {
      let absent = options.table.classes.filter { split.count($0) == 0 }.map(\.name)
      if !absent.isEmpty, split.hasClasses(options.table) {
        lines.append(
          "the training split has no pixel of \(absent.joined(separator: ", ")): the network cannot learn "
            + (absent.count == 1 ? "this class" : "these classes"))
      }
    }
    let empty = samples.filter { !$0.hasLabels }
    if let first = empty.first {
      lines.append(
        "\(empty.count) of \(samples.count) crops have no pixel of a class, and nothing to learn from: "
          + "\(first.paths.image)\(empty.count > 1 ? " and others" : ""); look at their labels, or give a larger crop")
    }
    return lines
  }

  // MARK: - The sheet

  /// Height and width of a panel of the sheet.
  package static func panelSize(_ options: TrainingOptions, width: Int?) -> Size {
    Resize.size(Size(options.cropHeight, options.cropWidth), width: width ?? min(max(options.cropWidth, 200), 320))
  }

  /// Image, label, boundary and Canny edges of each sample in a row, with the classes that occur.
  ///
  /// - Parameters:
  ///   - width: of a panel; nil: that of the crop, within what can be read and fits on a screen.
  ///   - cancelled: asked between two samples.
  /// - Throws: `PreparingStopped`.
  package func sheet(width: Int?, cancelled: () -> Bool = { false }) throws -> Image {
    let (size, table) = (Self.panelSize(options, width: width), options.table)
    let crop = Size(options.cropHeight, options.cropWidth)
    let rows = try samples.map { sample in
      if cancelled() { throw PreparingStopped() }
      return [
        (sample.name, sample.image), ("label", Palette.colored(sample.trainIds, by: table.palette)),
        ("boundary", sample.boundary), ("Canny edges", sample.canny),
      ].map { PanelSheet.Panel($0, Resize.mean($1, to: size)) }
    }
    return PanelSheet(
      heading: "\(samples.count) crops of \(crop.widthByHeight), \(images) training images, seed \(options.seed)",
      rows, legends: [(legendTitle, legend)], textHeight: PanelSheet.textHeight(panelWidth: size.width)
    ).drawn()
  }

  private var legendTitle: String {
    maps.labels[.train] == nil ? "share of these crops" : "share of these crops / of the training split"
  }

  private var legend: [Legend.Entry] {
    let (drawn, split) = (labels, maps.labels[.train])
    func share(_ counts: LabelCounts, _ entry: LabelTable.Entry) -> String {
      LabelCounts.percent(counts.count(entry), of: counts.pixels.reduce(0, +))
    }
    let classes = options.table.classes.filter { drawn.count($0) > 0 }.map { entry in
      let shares = [drawn, split].compactMap { $0.map { share($0, entry) } }
      return Legend.Entry(entry.color, "\(entry.name)  \(shares.joined(separator: " / "))")
    }
    return classes + [Legend.Entry((red: 0, green: 0, blue: 0), "ignored, or beyond the image")]
  }
}
