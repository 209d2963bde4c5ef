import Cityscapes
import ImageFixtures
import Images
import Inference
import Metrics
import Tensors
import Testing

@Suite("Pictures of predictions")
struct PredictionPictureTests {
  private let size = Size(24, 40)
  private let image: Image
  /// Label ids of all kinds, ignored ones included.
  private let labels: Image
  private let prediction: [UInt8]

  init() {
    image = .noise(24, 40, channels: 3, seed: 1)
    labels = .noise(24, 40, channels: 1, maximum: Label.largestId, seed: 2)
    // Every other pixel is right, where there is a class.
    let noise = Image.noise(24, 40, channels: 1, maximum: 18, seed: 3).pixels
    let truth = labels.pixels.map { Label.trainIds[Int($0)] }
    prediction = noise.indices.map { $0.isMultiple(of: 2) && truth[$0] != Label.ignored ? truth[$0] : noise[$0] }
  }

  private var target: [UInt8] { labels.pixels.map { Label.trainIds[Int($0)] } }

  @Test("The error map counts what the confusion matrix counts, and colors it")
  func errors() {
    let map = ErrorMap(of: image, target: target, prediction: prediction)
    var confusion = ConfusionMatrix()
    confusion.add(prediction: prediction, target: target)
    let diagonal = (0..<19).reduce(0) { $0 + Int(confusion[$1, $1]) }
    #expect(map.correct == diagonal && map.correct > 0)
    #expect(map.wrong == Int(confusion.total) - diagonal && map.wrong > 0)
    #expect(map.ignored == 24 * 40 - Int(confusion.total) && map.ignored > 0)
    var counts = (red: 0, light: 0, dark: 0)
    for y in 0..<24 {
      for x in 0..<40 {
        let color = (0..<3).map { map.image[y, x, $0] }
        if color == [ErrorMap.wrongColor.red, ErrorMap.wrongColor.green, ErrorMap.wrongColor.blue] {
          counts.red += 1
        } else if color[0] == color[1], color[1] == color[2] {
          if color[0] >= 128 { counts.light += 1 } else if color[0] < 64 { counts.dark += 1 }
        }
      }
    }
    #expect(counts == (map.wrong, map.correct, map.ignored))
  }

  private func panels(_ labels: Image?, _ change: (inout ViewOptions) -> Void, size: Size? = nil) -> Image {
    var options = ViewOptions()
    change(&options)
    return PredictionRenderer.panels(
      of: image, labels: labels, prediction, .cityscapes, options, size ?? self.size)
  }

  @Test("Image, ground truth, prediction, overlay and errors stand in this order, at their own size or any other")
  func order() {
    let colored = Palette.colored(Image(size, channels: 1, pixels: prediction), by: Label.palette)
    let truth = Palette.colored(labels, by: Label.idPalette)
    let errors = ErrorMap(of: image, target: target, prediction: prediction).image
    #expect(panels(labels) { _ in } == Image.hstack([image, truth, colored]))
    #expect(panels(nil) { _ in } == Image.hstack([image, colored]))
    let all = [image, truth, colored, Palette.blended(image, colored), errors]
    func everything(_ options: inout ViewOptions) {
      options.hasOverlay = true
      options.hasErrors = true
    }
    #expect(panels(labels, everything) == Image.hstack(all))
    let small = Size(6, 10)
    #expect(panels(labels, everything, size: small) == Image.hstack(all.map { Resize.mean($0, to: small) }))
  }

  @Test("The legend has the color of each class that occurs, and of no other")
  func legend() {
    let few = [UInt8](repeating: 0, count: 24 * 39) + [UInt8](repeating: 13, count: 24)
    var options = ViewOptions()
    options.hasLegend = true
    let sheet = PredictionRenderer.panels(
      of: Image(size, channels: 3, filledWith: 90), labels: nil, few, .cityscapes, options, Size(240, 400))
    #expect(sheet.size.width > 2 * 400 && sheet.size.height > 240)
    // Below the panels, which take one line above and the margin.
    let below = sheet.cropped(to: Image.Rect(x: 0, y: 300, Size(sheet.size.height - 300, sheet.size.width)))
    func count(_ color: Palette.Color) -> Int {
      stride(from: 0, to: below.pixels.count, by: 3).count {
        below.pixels[$0] == color.red && below.pixels[$0 + 1] == color.green && below.pixels[$0 + 2] == color.blue
      }
    }
    for (id, label) in Label.classes.enumerated() where ![(70, 70, 70)].contains(where: { $0 == label.color }) {
      #expect((count(label.color) > 50) == (id == 0 || id == 13), "\(label.name)")
    }
  }

  @Test(
    "A contact sheet shows up to 48 images, the first and the last among them; those that cannot be read are marked")
  func contactSheet() throws {
    let folder = try TemporaryFolder()
    for count in [1, 2, 5, 48, 500] {
      let path = folder.file("sheet \(count).png")
      let sheet = ContactSheet(path, names: (0..<count).map { "frame_\($0)\nü" })
      try sheet.create()
      var shown: [Int] = []
      for index in 0..<count {
        let value = UInt8(index % 200)
        let encoded = sheet.encode(
          [UInt8](repeating: UInt8(index % 19), count: 60 * 100),
          of: Image(Size(60, 100), channels: 3, filledWith: value),
          index: index)
        guard !encoded.isEmpty else { continue }
        shown.append(index)
        // One that could not be read has no part.
        if index != 4 { sheet.add(encoded, index: index) }
      }
      try sheet.finish()
      #expect(shown.count == min(count, 48) && shown.first == 0 && shown.last == count - 1)
      let gaps = zip(shown, shown.dropFirst()).map { $1 - $0 }
      #expect((gaps.max() ?? 1) - (gaps.min() ?? 1) <= 1)
      let image = try PNG.read(path, as: .rgb)
      let columns = count <= 3 ? count : count <= 12 ? 3 : 4
      let rows = (min(count, 48) + columns - 1) / columns
      #expect(image.size.width == columns * 482 + (columns - 1) * 10 + 2 * 15)
      // A thumbnail of 100×60 is 144 pixels tall.
      #expect(image.size.height > rows * 144 && image.size.height < rows * 200 + 150)
    }
    let empty = ContactSheet(folder.file("none.png"), names: ["a"])
    try empty.finish()
    #expect(try !folder.names.contains("none.png"))
    let unwritable = ContactSheet(folder.file("sheet 1.png") + "/x.png", names: ["a"])
    let error = #expect(throws: InferenceError.self) { try unwritable.create() }
    #expect("\(try #require(error))".contains("the picture cannot be written (File exists)"))
  }
}
