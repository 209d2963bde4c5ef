import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("From images to a prediction")
  struct ChainTests {
    private static let model = "results/resnet50_32_32_model.safetensors"
    let work: Workplace

    init() throws { work = try Workplace() }

    @Test("Each command reads what the one before has written: synthesize, prepare, train, evaluate, view, info")
    func chain() throws {
      try prepare()
      try train()
      try evaluate()
      try view()
      try info()
    }

    private func prepare() throws {
      try work.makeStreets()
      #expect(try work.gscnn("prepare", "--data_path=data").output.first == "7 images prepared in data/prepared")
      let before = try work.contents()
      #expect(try work.gscnn("prepare").output.first == "everything is prepared in data/prepared")
      #expect(try work.contents() == before)
    }

    private func train() throws {
      // In the spellings of the reference implementation; one step on two ranks, then the rest as on a terminal.
      let call = [
        "train", "--data_path", "data", "--backbone_type", "resnet50", "--crop_h", "32", "--crop_w=32", "--batch_size",
        "2", "--save_path", "results", "--epochs", "1", "--log-every", "1",
      ]
      let first = try work.gscnn(call + ["--stop-after", "1"], ranks: 2)
      #expect(first.status == 0, "\(first.errors)")
      #expect(first.output == [])
      #expect(first.errors.contains { $0.hasPrefix("2 ranks on 1 machine") })
      #expect(first.errors.contains { $0.hasPrefix("epoch 1/1 step 1/2 loss ") })
      #expect(first.errors.last == "stopped; saved in results/resnet50_32_32/checkpoints: resume with --resume auto")

      let rest = try work.gscnn(
        call + ["--resume", "auto"], environment: ["GSCNN_TERMINAL": "80", "LC_ALL": "C.UTF-8"])
      #expect(rest.status == 0, "\(rest.errors)")
      #expect(rest.output == [])
      let screen = rest.errors.joined(separator: "\n")
      #expect(screen.contains("from results/resnet50_32_32/checkpoints/step-00000001: epoch 1, step 1"))
      #expect(screen.contains("\r\u{1B}[Kepoch 1/1 ████████████████ 2/2, loss "))
      #expect(rest.errors.last?.hasPrefix("done; best validation class mIoU ") == true)

      #expect(
        try work.names(in: "results") == [
          "resnet50_32_32", "resnet50_32_32_classes.csv", "resnet50_32_32_model.safetensors",
          "resnet50_32_32_options.yaml", "resnet50_32_32_run.json", "resnet50_32_32_statistics.csv",
          "resnet50_32_32_steps.csv", "resnet50_32_32_validation.json",
        ])
      let folder = "results/resnet50_32_32"
      #expect(try work.names(in: folder) == ["checkpoints", "status.json", "tensorboard", "test", "val"])
      #expect(
        try work.names(in: folder + "/val") == [
          "synthetica_000000_000019_color.png", "synthetica_000001_000019_color.png",
        ])
      #expect(try work.names(in: folder + "/test") == ["synthetica_000000_000019_color.png"])
      #expect(try kind(folder + "/val/synthetica_000000_000019_color.png") == [48, 32, 8, 3])
      #expect(try kind(folder + "/test/synthetica_000000_000019_color.png") == [48, 32, 8, 0])
      let statistics = try work.text("results/resnet50_32_32_statistics.csv").split(separator: "\n")
      #expect(statistics.count == 2)
      #expect(
        statistics[0].hasPrefix(
          "epoch,train_loss,val_loss,train_PA,val_PA,train_mPA,val_mPA,train_class_mIOU,val_class_mIOU,"
            + "train_category_mIOU,val_category_mIOU,"))
      let steps = try work.text("results/resnet50_32_32_steps.csv").split(separator: "\n")
      #expect(steps.count == 3)
      #expect(
        steps[0] == "epoch,step,loss,semantic,edge,task,learning_rate,gradient_norm,images_per_second,"
          + "loading_seconds,forward_seconds,backward_seconds,communication_seconds,update_seconds")
      #expect(steps[1].hasPrefix("1,1,") && steps[2].hasPrefix("1,2,"))

      let again = try work.gscnn(call + ["--resume", "auto"])
      #expect(again.status == 0)
      #expect(again.errors.contains { $0.hasSuffix("step-00000002: all epochs are done") })
    }

    private func evaluate() throws {
      let call = ["evaluate", "--data-path", "data", "--model-weight", Self.model]
      let alone = try work.gscnn(call + ["--json", "alone.json"])
      #expect(alone.status == 0, "\(alone.errors)")
      #expect(alone.errors == [])
      #expect(alone.output.contains { $0.hasPrefix("traffic light ") })
      #expect(alone.output.last?.hasPrefix("FPS ") == true)
      #expect(alone.output.last?.hasSuffix("(2 images)") == true)

      let shared = try work.gscnn(
        call + ["--json", "shared.json", "--export", "predictions", "--split", "val"], ranks: 2)
      #expect(shared.status == 0, "\(shared.errors)")
      #expect(shared.output.dropLast() == alone.output.dropLast())
      let (one, two) = (try metrics("alone.json"), try metrics("shared.json"))
      #expect(one["confusion"] as? [[Int]] == two["confusion"] as? [[Int]])
      #expect(one["loss"] as? Double == two["loss"] as? Double)
      let pixels = (one["confusion"] as? [[Int]] ?? []).joined().reduce(0, +)
      #expect(pixels == one["pixels"] as? Int)
      #expect((one["classes"] as? [String: Any])?.count == 19)
      #expect((one["categories"] as? [String: Any])?.count == 7)

      #expect(
        try work.names(in: "predictions") == [
          "synthetica_000000_000019_prediction.png", "synthetica_000001_000019_prediction.png",
        ])
      #expect(try kind("predictions/synthetica_000000_000019_prediction.png") == [48, 32, 8, 0])

      try work.expectRefusal(
        call + ["--export", "alone.json"], status: 1, saying: "alone.json", "cannot be created (File exists)",
        "give one that can be written")
    }

    private func view() throws {
      let names = ["val", "test"].map { "\($0)/synthetica/synthetica_000000_000019_leftImg8bit.png" }
      let result = "synthetica_000000_000019_leftImg8bit_result.png"
      let call = ["view", "--data_path", "data", "--model_weight", Self.model, "--input_pic"]
      let val = try work.gscnn(call + [names[0]])
      #expect(val.status == 0, "\(val.errors)")
      #expect(val.output == [result])
      #expect(try kind(result) == [3 * 48, 32, 8, 2])
      // The test split's labels are empty.
      #expect(try work.gscnn(call + [names[1], "--output", "test.png"]).output == ["test.png"])
      #expect(try kind("test.png") == [2 * 48, 32, 8, 2])
      // Any image: the one just rendered.
      #expect(try work.gscnn(call + ["test.png", "--output", "any.png"], ranks: 2).output == ["any.png"])
      #expect(try kind("any.png") == [4 * 48, 32, 8, 2])
      try work.expectRefusal(
        call + [Self.model], status: 1, saying: Self.model, "is neither a PNG nor a JPEG file", "restore the file")
      try work.expectRefusal(
        call + ["test.png", "--output", "nowhere/x.png"], status: 1, saying: "nowhere/x.png: cannot be written", "check"
      )
    }

    private func info() throws {
      let model = try work.gscnn("info", Self.model, "--tensors")
      #expect(model.output.contains("Gated-SCNN on resnet50"))
      #expect(model.output.contains("F32 [19, 256, 1, 1] seg.6.weight"), "\(model.output.suffix(5))")
      for path in ["results", "results/", "results/resnet50_32_32", "results/resnet50_32_32/checkpoints/step-00000002"]
      {
        let checkpoint = try work.gscnn("info", path)
        #expect(
          checkpoint.output.first
            == "results/resnet50_32_32/checkpoints/step-00000002: a valid checkpoint, all checksums match")
        #expect(checkpoint.output.contains("all 1 epochs done, 2 steps in all"))
      }
      try work.expectRefusal(["info", "data"], status: 1, saying: "data: ", "holds no checkpoint", "give")
    }

    private func metrics(_ name: String) throws -> [String: Any] {
      // cityscapesScripts writes NaN, which is no JSON.
      let text = try work.text(name).replacingOccurrences(of: ": NaN", with: ": null")
      return try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// Width, height, bit depth and color type of a PNG header.
    private func kind(_ name: String) throws -> [Int] {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: work.place(name))).prefix(26))
      try #require(bytes.count == 26)
      func number(_ start: Int) -> Int { bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
      return [number(16), number(20), Int(bytes[24]), Int(bytes[25])]
    }
  }
}
