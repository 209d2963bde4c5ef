import Cityscapes
import Foundation
import GatedSCNN
import ImageFixtures
import Images
import Inference
import Kernels
import Tensors
import Testing

@Suite("Images for TensorBoard")
struct ImagePanelsTests {
  @Test(
    "Panels are reduced to 512 pixels; errors are red where the prediction differs from a class of the ground truth")
  func panels() throws {
    let size = Size(32, 1024)
    // Bands of one class each, and one without a class.
    let bands = (0..<1024).map { x -> UInt8 in x < 128 ? Label.ignored : UInt8(x / 64) }
    let trainIds = Image(size, channels: 1, pixels: (0..<32).flatMap { _ in bands })
    let sample = Sample(
      index: 0, image: .noise(32, 1024, channels: 3, seed: 1), trainIds: trainIds,
      canny: Image(size, channels: 1), boundary: Image(size, channels: 1))
    let model = GatedSCNN(.resnet50, seed: 1)
    func read(withTruth: Bool) throws -> [String: Image] {
      let made = try ImagePanels(
        of: sample, named: "name", by: model, .cityscapes, withTruth: withTruth, on: WorkerPool(threads: 2))
      #expect(made.name == "name")
      let folder = try TemporaryFolder()
      return try Dictionary(
        uniqueKeysWithValues: made.panels.map { panel in
          let image = try PNG.read(
            folder.write([UInt8](panel.png), as: panel.title), as: panel.channels == 3 ? .rgb : .gray)
          #expect(image.size == Size(16, 512) && panel.height == 16 && panel.width == 512)
          return (panel.title, image)
        })
    }
    let panels = try read(withTruth: true)
    #expect(
      panels.keys.sorted() == ["1 image", "2 ground truth", "3 prediction", "4 errors", "5 edges", "6 attention"])
    let (truth, prediction) = try (#require(panels["2 ground truth"]), #require(panels["3 prediction"]))
    let errors = try #require(panels["4 errors"])
    var wrong = 0
    for y in 0..<16 {
      for x in 0..<512 {
        func color(_ image: Image) -> [UInt8] { (0..<3).map { image[y, x, $0] } }
        let isRed = color(errors) == [ErrorMap.wrongColor.red, ErrorMap.wrongColor.green, ErrorMap.wrongColor.blue]
        #expect(isRed == (x >= 64 && color(truth) != color(prediction)), "row \(y), column \(x)")
        if isRed { wrong += 1 }
      }
    }
    #expect((1..<16 * 448).contains(wrong))
    #expect(try read(withTruth: false).keys.sorted() == ["3 prediction", "4 errors", "5 edges", "6 attention"])
  }
}
