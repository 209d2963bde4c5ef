import Foundation
import Testing

extension CommandLine {
  /// The files are those of `WeightsTests`.
  @Suite("Weights of PyTorch and Paddle")
  struct WeightFileTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    private func copy(_ name: String, to target: String) throws {
      let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "WeightsTests/Fixtures/")
      try work.copy(fixtures.appending(path: name).path, to: target)
    }

    @Test("The reference implementation's own command draws with its .pth file, as with the file converted")
    func view() throws {
      try work.makeStreets()
      try copy("names/gscnn-resnet50.pth", to: "resnet50_512_512_model.pth")
      let image = "val/synthetica/synthetica_000000_000019_leftImg8bit.png"
      let job = try work.gscnn(
        "view", "--model_weight", "resnet50_512_512_model.pth", "--input_pic", image, "--output", "pth.png")
      #expect(job.status == 0 && job.output == ["pth.png"], "\(job.errors)")
      let converted = try work.gscnn("convert", "resnet50_512_512_model.pth", "model.safetensors")
      #expect(converted.status == 0, "\(converted.errors)")
      #expect(
        converted.output == ["model.safetensors: 478 tensors, named in resnet50_512_512_model.pth as by Gated-SCNN"])
      let again = try work.gscnn(
        "view", "--model-weight", "model.safetensors", "--input-pic", image, "--output", "safetensors.png")
      #expect(again.status == 0, "\(again.errors)")
      #expect(
        FileManager.default.contentsEqual(atPath: work.place("pth.png"), andPath: work.place("safetensors.png")))
    }

    @Test("info tells the format, the library, what matches, what is missing and what is ignored")
    func info() throws {
      try copy("names/mmsegmentation-resnet50.pth", to: "r50-d8.pth")
      let job = try work.gscnn("info", "r50-d8.pth")
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.output.first == "r50-d8.pth: 277 tensors, 23590259 values")
      #expect(job.output.contains("format of PyTorch"))
      #expect(job.output.contains("names as by mmsegmentation's ResNetV1d under backbone."))
      #expect(
        job.output.contains {
          $0.hasPrefix(
            "275 tensors fit the network, named as by mmsegmentation's ResNetV1d under backbone.; 126 missing")
        })
      #expect(job.output.contains("ignored: decode_head.conv_seg.weight, auxiliary_head.conv_seg.bias"))
    }

    @Test("A backbone that is no ResNet-D, or of another depth, is refused before the training with the reason")
    func refused() throws {
      try work.makeStreets()
      try copy("names/torchvision-resnet50.pth", to: "tv.pth")
      try copy("names/timm-resnet101.pth", to: "r101.pth")
      try work.expectRefusal(
        Workplace.training + ["--pretrained", "tv.pth"], status: 1, saying: "tv.pth: does not fit this network: ",
        "7×7 (torchvision's ResNet)", "give")
      try work.expectRefusal(
        Workplace.training + ["--pretrained", "r101.pth"], status: 1, saying: "r101.pth: does not fit this network: ",
        "resnet101", "give", "--backbone-type")
      try work.expectRefusal(
        ["evaluate", "--data-path", "data", "--model-weight", "r101.pth"], status: 1,
        saying: "r101.pth: does not fit this network: lacks shape_stream.")
      try work.expectRefusal(
        ["convert", "r101.pth", "r101.pth"], status: 2, saying: "r101.pth", "give a name that ends in .safetensors")
    }

    @Test("The normalization is stored with the model, and with its checkpoints, kept by a resume and used after it")
    func normalization() throws {
      try work.makeStreets()
      let train = Workplace.training + ["--epochs", "1", "--threads", "1"]
      let job = try work.gscnn(train + ["--normalize", "half", "--stop-after", "1"])
      try #require(job.status == 0, "\(job.errors)")
      let folder = "results/resnet50_32_32"
      try work.expectRefusal(
        train + ["--resume", "auto"], status: 2, saying: "--normalize imagenet: ", "was made with half",
        "give --normalize half")
      let resumed = try work.gscnn(train + ["--normalize", "half", "--resume", "auto"])
      try #require(resumed.status == 0, "\(resumed.errors)")
      let model = "\(folder)_model.safetensors"
      for file in [model, "\(folder)/checkpoints/step-00000002/model.safetensors"] {
        #expect(try work.gscnn("info", file).output.contains("normalization: half"), "\(file)")
      }
      // The same weights with another normalization predict something else.
      let evaluate = ["evaluate", "--data-path", "data", "--threads", "1", "--model-weight"]
      func loss(_ model: String) throws -> String? {
        let job = try work.gscnn(evaluate + [model, "--json", "figures.json"])
        #expect(job.status == 0, "\(job.errors)")
        return try work.text("figures.json").split(separator: "\n").first { $0.contains("\"loss\"") }.map(String.init)
      }
      #expect(try work.gscnn("convert", model, "same.safetensors").status == 0)
      #expect(try work.gscnn("convert", model, "other.safetensors", "--normalize", "imagenet").status == 0)
      let half = try #require(try loss(model))
      #expect(try loss("same.safetensors") == half)
      #expect(try loss("other.safetensors") != half)

      try work.expectRefusal(
        Workplace.training(to: "more") + ["--pretrained", model], status: 2, saying: "--normalize imagenet: ",
        "was trained with half", "give --normalize half")
    }
  }
}
