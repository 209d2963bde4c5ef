import Foundation
import Testing

extension CommandLine {
  @Suite("Export as ONNX")
  struct ONNXExportTests {
    private static let model = "results/resnet50_32_32_model.safetensors"
    private static let export = ["export", "--model-weight", model]
    let work: Workplace

    init() throws { work = try Workplace() }

    /// Writes `model`.
    private func train() throws {
      try work.makeStreets()
      let job = try work.gscnn(Workplace.training + ["--epochs", "1", "--threads", "1"])
      try #require(job.status == 0, "\(job.errors)")
    }

    @Test("The file holds the weights and what is known of them; several ranks write one file, the same")
    func writes() throws {
      try train()
      let job = try work.gscnn(Self.export + ["model.onnx"])
      #expect(job.status == 0 && job.errors == [], "\(job.errors)")
      #expect(job.output == ["model.onnx"])
      let file = try Data(contentsOf: URL(fileURLWithPath: work.place("model.onnx")), options: .alwaysMapped)
      // Version 8 of the format.
      #expect(file.prefix(2) == Data([8, 8]))
      // The filters are all there, and the statistics of batch norms are gone.
      let weights = try work.gscnn("info", Self.model, "--tensors")
      let count = weights.output.compactMap { line -> Int? in
        guard line.hasPrefix("F32 ["), let list = line.split(separator: "]").first?.dropFirst(5) else { return nil }
        let shape = list.split(separator: ", ").compactMap { Int($0) }
        return shape.count == 4 ? shape.reduce(1, *) : nil
      }.reduce(0, +)
      #expect(count > 40_000_000)
      #expect((4 * count..<4 * count + 1_000_000).contains(file.count), "\(file.count)")
      let end = file.suffix(20_000)
      for text in [
        "weights_xxh64", "resnet50_32_32_model.safetensors", "[\"road\", \"sidewalk\", ", "[[128, 64, 128], ",
        "[0.485, 0.456, 0.406]", "validation_class_mIoU",
      ] {
        #expect(end.range(of: Data(text.utf8)) != nil, "\(text)")
      }

      let ranks = try work.gscnn(Self.export + ["ranks.onnx"], ranks: 2)
      #expect(ranks.status == 0 && ranks.output == ["ranks.onnx"], "\(ranks.errors)")
      #expect(
        FileManager.default.contentsEqual(atPath: work.place("ranks.onnx"), andPath: work.place("model.onnx")))
    }

    @Test("A file that cannot be written, or is not to be, is refused and changes nothing")
    func output() throws {
      try train()
      try work.expectRefusal(Self.export + [Self.model], status: 2, saying: Self.model, "give one that ends in .onnx")
      try work.copy(Self.model, to: "weights.onnx")
      try work.expectRefusal(
        ["export", "--model-weight", "weights.onnx", "./weights.onnx"], status: 2, saying: "FILE ./weights.onnx: ",
        "this command reads that file", "give another")
      try work.expectRefusal(
        Self.export + ["nowhere/model.onnx"], status: 1, saying: "nowhere/model.onnx: cannot create",
        "No such file or directory", "check the path")
      try FileManager.default.createDirectory(
        atPath: work.place("folder.onnx"), withIntermediateDirectories: false)
      try work.expectRefusal(
        Self.export + ["folder.onnx"], status: 1, saying: "folder.onnx: cannot", "Is a directory", "check the path")
      try work.write(Data("earlier".utf8), to: "full.onnx")
      try work.expectRefusal(
        Self.export + ["full.onnx"], status: 1, saying: "full.onnx: cannot write: File too large",
        "make room on that disk", fileLimit: 40000)
      #expect(try work.names(in: ".").filter { $0.hasPrefix(".") } == [])
    }

    @Test(
      "A size that the network cannot take is refused",
      arguments: [("--height", "0"), ("--width", "16385"), ("--batch-size", "-1"), ("--height", "1.5")])
    func sizes(option: String, value: String) throws {
      try work.expectRefusal(
        Self.export + ["model.onnx", option, value], status: 2, saying: value, option, "give a number from 1 to")
    }
  }
}
