import Foundation
import Testing

extension CommandLine {
  @Suite("Unusable weights, checkpoints and folders")
  struct BadFileTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    /// A safetensors file with a header and `bytes` zeros after it.
    private func safetensors(_ header: String, bytes: Int) -> Data {
      let count = UInt64(header.utf8.count)
      return Data((0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }) + Data(header.utf8) + Data(count: bytes)
    }

    /// Expects each command that reads weights to refuse a file. The images that it needs exist.
    private func expectRefused(_ file: String, saying what: String, _ remedy: String) throws {
      for command in [
        ["evaluate", "--model-weight", file],
        ["view", "--model-weight", file, "--input-pic", "val/synthetica/synthetica_000000_000019_leftImg8bit.png"],
        ["export", "--model-weight", file, "model.onnx"],
        Workplace.training + ["--pretrained", file],
      ] {
        try work.expectRefusal(command, status: 1, saying: file, what, remedy)
      }
    }

    @Test("A missing weight file is refused by each command that reads one")
    func noWeights() throws {
      try work.makeStreets()
      try expectRefused("none.safetensors", saying: "No such file", "check the path")
      try work.expectRefusal(["info", "none"], status: 1, saying: "none: ", "there is no such file", "give")
    }

    @Test("A file of another format, and a broken .pth file, are refused; the error says what to do")
    func otherFile() throws {
      try work.makeStreets()
      try work.write(Data("PK\u{3}\u{4} begins a .pth file; some more bytes follow it".utf8), to: "model.pth")
      try expectRefused("model.pth", saying: "is damaged: the zip directory at its end is missing", "copy it again")
      try work.expectRefusal(["info", "model.pth"], status: 1, saying: "model.pth: ", "copy it again")
      try work.write(Data("an essay about streets".utf8), to: "essay.txt")
      try expectRefused("essay.txt", saying: "claims a header of", "give a .safetensors, .pth or .pdparams file")
      try expectRefused("data", saying: "is a folder", "give a file: a run's …_model.safetensors")
    }

    @Test("A damaged weight file is refused; the error says what is wrong with it")
    func damaged() throws {
      try work.makeStreets()
      let header = #"{"seg.6.weight":{"dtype":"F32","shape":[19,256,1,1],"data_offsets":[0,19456]}}"#
      try work.write(safetensors(header, bytes: 1000), to: "cut.safetensors")
      try expectRefused("cut.safetensors", saying: "is 1086 bytes long, but its header needs", "copy it again")
      try work.write(safetensors("{\"seg.6.weight\":", bytes: 0), to: "header.safetensors")
      try expectRefused("header.safetensors", saying: "has a damaged header", "copy it again")
    }

    @Test("A name in a damaged file makes the error neither long nor change the terminal, and the remedy stays")
    func hostileName() throws {
      let name = "\\u001b[31m" + String(repeating: "n", count: 100_000)
      let header = "{\"\(name)\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}"
      try work.write(safetensors(header, bytes: 4), to: "hostile.safetensors")
      let job = try work.gscnn("info", "hostile.safetensors")
      #expect(job.status == 1 && job.errors.count == 1)
      let line = try #require(job.errors.last)
      #expect(line.hasPrefix("gscnn: hostile.safetensors: holds \u{FFFD}[31mnnn") && line.utf8.count < 5000)
      #expect(line.hasSuffix(" as F99, an unknown type; convert it to F32, or copy it again if it is damaged"))
    }

    @Test("A valid weight file of another network is refused")
    func foreign() throws {
      try work.makeStreets()
      let header = #"{"encoder.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#
      try work.write(safetensors(header, bytes: 16), to: "foreign.safetensors")
      try work.expectRefusal(
        ["evaluate", "--model-weight", "foreign.safetensors"], status: 1, saying: "foreign.safetensors: ",
        "does not fit this network", "give a file that was written for this network")
      try work.expectRefusal(
        ["export", "--model-weight", "foreign.safetensors", "model.onnx"], status: 1, saying: "foreign.safetensors: ",
        "does not fit this network", "give a file that was written for this network")
      try work.expectRefusal(
        Workplace.training + ["--pretrained", "foreign.safetensors"], status: 1, saying: "foreign.safetensors: ",
        "holds nothing that fits", "give the whole network, or a ResNet-D of timm")
    }

    @Test(
      "A save path that cannot be written is refused before the training starts",
      arguments: ["file", "file/below", "/proc/results"])
    func savePath(path: String) throws {
      try work.makeStreets()
      try work.write(Data("a file".utf8), to: "file")
      try work.expectRefusal(
        ["train", "--data-path", "data", "--save-path", path, "--batch-size", "2"], status: 1,
        saying: "--save-path \(path)", "cannot be created", "give one that can be written")
    }

    @Test("An earlier run is not overwritten, and a full disk does not damage its checkpoint")
    func earlierRun() throws {
      try work.makeStreets(train: 6)
      let first = try work.gscnn(Workplace.training + ["--epochs", "2", "--stop-after", "1"])
      try #require(first.status == 0, "\(first.errors)")
      try work.expectRefusal(
        Workplace.training, status: 2, saying: "--save-path results: ", "an earlier run", "--resume auto")
      try work.expectRefusal(
        Workplace.training + ["--resume", "auto", "--epochs", "3"], status: 2, saying: "--epochs 3: ",
        "was made with 2", "give --epochs 2")
      try work.expectRefusal(
        Workplace.training + ["--resume", "nowhere"], status: 1, saying: "nowhere: ", "holds no checkpoint", "give")

      let checkpoint = "results/resnet50_32_32/checkpoints/step-00000001"
      let whole = try work.gscnn("info", checkpoint)
      #expect(whole.output.first == "\(checkpoint): a valid checkpoint, all checksums match")

      // The next checkpoint does not fit on the disk; the previous one must stay intact.
      let before = try work.contents().filter { $0.key.hasPrefix(checkpoint) }
      #expect(before.count == 4)
      let resume = Workplace.training + ["--epochs", "2", "--resume", "auto", "--stop-after", "1"]
      let full = try work.gscnn(resume, fileLimit: 40000)
      #expect(full.status == 1)
      let line = full.errors.last ?? ""
      #expect(line.hasPrefix("gscnn: results/resnet50_32_32/checkpoints/"))
      #expect(line.hasSuffix("cannot write: File too large; make room on that disk"), "\(full.errors)")
      #expect(full.errors.count { $0.hasPrefix("gscnn: ") } == 1)
      #expect(try work.contents().filter { $0.key.hasPrefix(checkpoint) } == before)
      #expect(try work.gscnn("info", checkpoint).output == whole.output)
      #expect(try work.names(in: "results/resnet50_32_32/checkpoints") == ["step-00000001"])

      // A damaged checkpoint is reported and not loaded, and no new run starts over it.
      let model = "\(checkpoint)/model.safetensors"
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: work.place(model)))
      try file.seek(toOffset: 1_000_000)
      try file.write(contentsOf: Data("damage".utf8))
      try file.close()
      let damaged = try work.gscnn(Workplace.training + ["--resume", "auto", "--epochs", "2"])
      #expect(damaged.status == 1)
      #expect(damaged.errors.first?.contains("\(checkpoint): is damaged: model.safetensors") == true)
      #expect(damaged.errors.last?.contains("none is valid; give another --save-path") == true)
      for path in [checkpoint, "results"] {
        try work.expectRefusal(
          ["info", path], status: 1, saying: checkpoint, "does not match its checksum", "earlier checkpoint")
      }
    }

    @Test("On a full disk synthesize leaves no incomplete file")
    func fullDisk() throws {
      try work.makeStreets(width: 256)
      try work.expectRefusal(
        ["synthesize", "--data-path", "more", "--height", "128", "--width", "256"], status: 1, saying: "more/",
        "cannot be written (File too large)", "has room", fileLimit: 4)
      for name in try work.contents().keys where name.hasPrefix("more/") { #expect(!name.hasSuffix(".part")) }
    }

    @Test("A run survives when its messages cannot be written")
    func fullErrors() throws {
      let words = ["synthesize", "--data-path", work.place("data"), "--train", "1", "--val", "1", "--test", "1"]
      let job = try CommandLine.silenced(words)
      #expect(job.status == 0)
      let refused = try CommandLine.silenced(["prepare", "--data-path", work.place("nowhere")])
      #expect(refused.status == 1)
    }
  }
}
