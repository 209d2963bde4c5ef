import Cityscapes
import Foundation
import Images
import System
import Tensors

/// The worst images: photograph, ground truth, prediction and where they differ, scaled down so that the page stays small.
struct Gallery {
  let images: [WorstImage]
  /// By train id.
  let classes: [ClassStyle]
  let palette: [Palette.Color]

  /// Bytes of all images together, as PNG files in the text of the page.
  static let maximumBytes = 5_000_000
  /// Pixels of a scaled image's longer side: the first at which all images fit.
  private static let sides = [1024, 896, 768, 640, 512, 384, 256, 128]

  var html: [HTML] {
    let (side, files) = encoded
    return HTMLBuilder.content {
      HTML.tag("p") {
        "The images with the lowest mean class IoU, the worst first. "
        if side.map({ side in shown.contains { max($0.size.width, $0.size.height) > side } }) ?? false, let side {
          "They are scaled down to \(side) pixels, so that all of them take at most "
          "\(Self.maximumBytes / 1_000_000) MB of this page. "
        }
        "In the last map wrong pixels are red, and pixels without a class black."
      }
      legend
      HTML.tag("div", ["class": "gallery"]) {
        for (image, files) in zip(images, files) { item(image, files) }
      }
    }
  }

  private var shown: [WorstImage.Panels] { images.compactMap { try? $0.panels.get() } }

  /// The panels of each image as data URIs, at the largest size at which they fit.
  private var encoded: (side: Int?, files: [[String]]) {
    for side in Self.sides {
      let files = images.map { image in (try? image.panels.get()).map { encode($0, side) } ?? [] }
      if files.flatMap(\.self).reduce(0, { $0 + $1.utf8.count }) <= Self.maximumBytes { return (side, files) }
    }
    // Hundreds of images would be needed: five are shown.
    return (nil, images.map { _ in [] })
  }

  private func encode(_ panels: WorstImage.Panels, _ side: Int) -> [String] {
    let factor = min(1, Double(side) / Double(max(panels.size.width, panels.size.height)))
    func map(_ indices: Image, _ palette: [Palette.Color]) -> [UInt8]? {
      // Value 255 is not in the palette: the next free one stands for it.
      let other = UInt8(min(palette.count, 255))
      var scaled = Resize.nearest(indices, by: factor)
      for pixel in scaled.pixels.indices where Int(scaled.pixels[pixel]) >= palette.count {
        scaled.pixels[pixel] = other
      }
      return try? PNG.encode(indices: scaled, palette: palette + [(red: 0, green: 0, blue: 0)], for: "report")
    }
    let wrong: [Palette.Color] = [(red: 205, green: 210, blue: 215), (red: 200, green: 30, blue: 20)]
    let files = [
      try? PNG.encode(Resize.mean(panels.photograph, to: Resize.scaled(panels.size, by: factor)), for: "report"),
      map(panels.truth, palette),
      map(panels.prediction, palette), map(panels.errors, wrong),
    ]
    return files.map { $0.map { "data:image/png;base64," + Data($0).base64EncodedString() } ?? "" }
  }

  /// The classes that occur in a map.
  private var legend: HTML? {
    var occurs = [Bool](repeating: false, count: 256)
    for panels in shown {
      for map in [panels.truth, panels.prediction] { for id in map.pixels { occurs[Int(id)] = true } }
    }
    let present = classes.indices.filter { $0 < 256 && occurs[$0] }
    guard !present.isEmpty else { return nil }
    return .tag("ul", ["class": "legend", "aria-label": "Colors of the classes"]) {
      for trainId in present {
        HTML.tag("li") {
          HTML.swatch(classes[trainId].color)
          classes[trainId].name
        }
      }
    }
  }

  private func item(_ image: WorstImage, _ files: [String]) -> HTML {
    .tag("article") {
      HTML.tag("h3") { image.name }
      switch image.panels {
      case .failure(let missing):
        HTML.tag("p") { "Mean class IoU \(Figures.percent(image.meanClassIoU))." }
        HTML.missing("This image cannot be shown: \(missing)")
      case .success(let panels):
        HTML.tag("p") { "Mean class IoU \(Figures.percent(image.meanClassIoU)). " + mistakes(panels) }
        HTML.tag("div", ["class": "panels"]) {
          for (title, file) in zip(["Image", "Ground truth", "Prediction", "Where they differ"], files) {
            // Label maps are not smoothed: no class has the colors between two others.
            HTML.tag("div") {
              HTML.tag("p") { title }
              HTML.tag(
                "img",
                [
                  "class": title == "Image" ? nil : "map", "src": file, "alt": "\(title) of \(image.name)",
                  "decoding": "async",
                  "width": "\(panels.size.width)", "height": "\(panels.size.height)",
                ])
            }
          }
        }
      }
    }
  }

  private func mistakes(_ panels: WorstImage.Panels) -> String {
    let (labeled, wrong) = panels.pixels
    guard labeled > 0 else { return "No pixel has a class." }
    let share = "\(Figures.percent(Double(wrong) / Double(labeled), digits: 1)) of its pixels are wrong"
    guard let pair = panels.mostConfused(classes.count) else { return share + "." }
    return share
      + "; most often \(classes[pair.truth].name) is taken for \(classes[pair.prediction].name) "
      + "(\(Figures.percent(pair.share, digits: 1)) of it)."
  }
}
