import Cityscapes
import Foundation
import Images
import Reports
import System
import Tensors
import Testing
import Training

@Suite("The gallery of worst images")
struct GalleryTests {
  /// A data set of one image, with the prediction of a run.
  private func dataSet(
    _ run: RunFiles, _ size: Size, names: [String], photograph: (Int) -> UInt8, predicted: UInt8 = 0
  ) throws -> String {
    let root = run.folder + "/data"
    for name in names {
      let sample = SamplePaths(root: root, split: .val, city: "town", name: name)
      for path in [sample.image, sample.labelIds, run.prefix + "/val/x"] {
        try FileSystem().createDirectory(FileSystem.parent(of: path))
      }
      let pixels = size.height * size.width
      try PNG.write(Image(size, channels: 3, pixels: (0..<3 * pixels).map(photograph)), to: sample.image)
      // Left half road, right half sky, but for a pixel that has no class.
      let ids = (0..<pixels).map { UInt8($0 == 0 ? 0 : $0 % size.width < size.width / 2 ? 7 : 23) }
      try PNG.write(Image(size, channels: 1, pixels: ids), to: sample.labelIds)
      try PNG.write(
        indices: Image(size, channels: 1, filledWith: predicted), palette: LabelTable.cityscapes.palette,
        to: "\(run.prefix)/val/\(name)_color.png")
    }
    let classes = LabelTable.cityscapes.classes.map(\.name)
    try run.write(RunFiles.validation(classes: classes, worst: names), to: "_validation.json")
    try run.write(RunFiles.description(classes: classes), to: "_run.json")
    return root
  }

  /// The pixels of an image of the page, as RGB.
  private func decoded(_ element: ParsedPage.Element, in folder: String) throws -> Image {
    let uri = try #require(element.attributes["src"])
    let data = try #require(Data(base64Encoded: String(uri.dropFirst("data:image/png;base64,".count))))
    let path = folder + "/decoded.png"
    try data.write(to: URL(fileURLWithPath: path))
    return try Photograph.read(path)
  }

  @Test("An image stands beside its ground truth, its prediction and where they differ")
  func panels() throws {
    let run = try RunFiles()
    let root = try dataSet(run, Size(4, 8), names: ["town_000000_000019"], photograph: { UInt8($0) })
    let page = try run.page(dataPath: root)
    let article = try #require(page.section("images").all("article").first)
    let images = article.all("img")
    #expect(
      images.map { $0.attributes["alt"] }
        == ["Image", "Ground truth", "Prediction", "Where they differ"].map {
          "\($0) of town_000000_000019"
        })
    let (road, sky): ([UInt8], [UInt8]) = ([128, 64, 128], [70, 130, 180])
    let expected: [(Int) -> [UInt8]] = [
      { [UInt8(3 * $0), UInt8(3 * $0 + 1), UInt8(3 * $0 + 2)] }, { $0 == 0 ? [0, 0, 0] : $0 % 8 < 4 ? road : sky },
      { _ in road }, { $0 == 0 ? [0, 0, 0] : $0 % 8 < 4 ? [205, 210, 215] : [200, 30, 20] },
    ]
    for (image, color) in zip(images, expected) {
      #expect(try decoded(image, in: run.folder).pixels == (0..<32).flatMap(color), "\(image.attributes["alt"] ?? "")")
    }
    // 16 of 31 pixels that have a class.
    #expect(
      article.all("p")[0].text
        == "Mean class IoU 12.50\u{202F}%. 51.6\u{202F}% of its pixels are wrong; most often sky is taken for road (100.0\u{202F}% of it)."
    )
  }

  @Test("Large images are scaled down until the page is small, and the page says so")
  func bounded() throws {
    let run = try RunFiles()
    // Noise, which no format makes smaller.
    var state: UInt32 = 1
    let names = (0..<5).map { "town_00000\($0)_000019" }
    let root = try dataSet(
      run, Size(600, 1200), names: names,
      photograph: { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 24)
      })
    let text = RunReport(RunRecord(run.prefix), dataPath: root).text
    #expect(text.utf8.count < 6_000_000)
    let page = try ParsedPage(text)
    let images = try page.section("images").all("img")
    #expect(images.count == 20)
    let size = try decoded(images[0], in: run.folder).size
    #expect(size.width < 1200 && size.width >= 384 && size.height == size.width / 2)
    #expect(try page.section("images").text.contains("scaled down to \(size.width) pixels"))
  }

  @Test("An image whose prediction is missing or of another size costs no other image")
  func missing() throws {
    let run = try RunFiles()
    let names = ["town_000000_000019", "town_000001_000019", "town_000002_000019"]
    let root = try dataSet(run, Size(4, 8), names: names, photograph: { UInt8($0) })
    try run.remove("/val/\(names[0])_color.png")
    try PNG.write(Image(Size(2, 2), channels: 1), to: "\(run.prefix)/val/\(names[1])_color.png")
    let articles = try run.page(dataPath: root).section("images").all("article")
    #expect(articles.map { $0.all("img").count } == [0, 0, 4])
    #expect(articles[0].text.contains("\(names[0])_color.png does not exist; gscnn evaluate --report FILE"))
    #expect(articles[1].text.contains("2×2"))
  }
}
