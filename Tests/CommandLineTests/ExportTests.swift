import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Exported predictions")
  struct ExportTests {
    let work: Workplace

    /// Four training, four validation and two test images, and a model.
    init() throws { work = try .withModel(test: 2) }

    private func names(_ suffix: String, _ split: ClosedRange<Int> = 0...3) -> [String] {
      split.map { "synthetica_00000\($0)_000019_\(suffix).png" }
    }

    /// Runs `gscnn` on two ranks that share no folder but that of the data: each in a folder of its own, `host0` and
    /// `host1`.
    private func onTwoDisks(_ words: [String]) throws -> Job {
      for host in ["host0", "host1"] {
        try FileManager.default.createDirectory(atPath: work.place(host), withIntermediateDirectories: true)
        for link in ["data", "model.safetensors"] where !work.exists("\(host)/\(link)") {
          try FileManager.default.createSymbolicLink(
            atPath: work.place("\(host)/\(link)"),
            withDestinationPath: work.place(link == "data" ? link : Workplace.model))
        }
      }
      let ownFolder = ["sh", "-c", #"cd "host$OMPI_COMM_WORLD_RANK" && exec "$0" "$@""#]
      return try Job.run(
        "gscnn", words, ranks: 2, under: ["env", "-C", work.folder], mpirun: ["--quiet"] + ownFolder)
    }

    @Test("Rank 0 has the predictions of all ranks, though their disks are their own")
    func ownDisks() throws {
      let call = ["evaluate", "--data-path", "data", "--model-weight", "model.safetensors", "--threads", "1"]
      let job = try onTwoDisks(call + ["--export", "predictions"])
      #expect(job.status == 0, "\(job.errors)")
      #expect(try work.names(in: "host0/predictions") == names("prediction"))
      #expect(!work.exists("host1/predictions"))
      #expect(try work.gscnn(Workplace.evaluate + ["--export", "alone"]).status == 0)
      for name in names("prediction") {
        let files = [work.place("host0/predictions/\(name)"), work.place("alone/\(name)")]
        #expect(FileManager.default.contentsEqual(atPath: files[0], andPath: files[1]), "\(name)")
      }
    }

    @Test("A training on two disks leaves all predictions on that of rank 0, and no pending ones")
    func trainingOnTwoDisks() throws {
      let job = try onTwoDisks(Workplace.training + ["--epochs", "1", "--validate-on", "all", "--threads", "1"])
      #expect(job.status == 0, "\(job.errors)")
      let folder = "results/resnet50_32_32"
      #expect(try work.names(in: "host0/\(folder)") == ["checkpoints", "status.json", "tensorboard", "test", "val"])
      #expect(try work.names(in: "host0/\(folder)/val") == names("color"))
      #expect(try work.names(in: "host0/\(folder)/test") == names("color", 0...1))
      #expect(!work.exists("host1/results"))
    }

    @Test("Images of the same name in two cities have a prediction each", arguments: [1, 2])
    func sameName(ranks: Int) throws {
      for (kind, suffix) in [("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")] {
        let split = work.place("data/\(kind)/val")
        try FileManager.default.createDirectory(atPath: split + "/ulm", withIntermediateDirectories: true)
        for (from, to) in [(2, 0), (3, 8)] {
          try FileManager.default.moveItem(
            atPath: "\(split)/synthetica/synthetica_00000\(from)_000019_\(suffix).png",
            toPath: "\(split)/ulm/synthetica_00000\(to)_000019_\(suffix).png")
        }
      }
      let job = try work.gscnn(Workplace.evaluate + ["--export", "predictions"], ranks: ranks)
      #expect(job.status == 0, "\(job.errors)")
      #expect(
        try work.names(in: "predictions") == [
          "synthetica_000001_000019_prediction.png", "synthetica_000008_000019_prediction.png",
          "synthetica_synthetica_000000_000019_prediction.png", "ulm_synthetica_000000_000019_prediction.png",
        ])
    }

    @Test("A test split without labels is predicted and has no figures", arguments: ["no labels", "empty labels"])
    func unlabeled(kind: String) throws {
      try work.remove("data/gtFine/test")
      if kind == "empty labels" {
        // As Cityscapes publishes them: no pixel has a class.
        for index in 0...1 {
          let file = Workplace.labelIds("test", index)
          try FileManager.default.createDirectory(
            atPath: work.place("data/gtFine/test/synthetica"), withIntermediateDirectories: true)
          try work.copy(Workplace.fixture("unlabeled.png"), to: file)
        }
      }
      let call = Workplace.evaluate + ["--split", "test"]
      let job = try work.gscnn(call + ["--export", "predictions"], ranks: 2)
      #expect(job.status == 0, "\(job.errors)")
      #expect(try work.names(in: "predictions") == names("prediction", 0...1))
      #expect(job.output.first == "The ground truth has no labeled pixels: there is nothing to measure.")
      #expect(job.output.count == 2 && job.output.last?.hasPrefix("FPS ") == true, "\(job.output)")
      for words in [[], ["--export", "predictions", "--json", "metrics.json"]] {
        try work.expectRefusal(
          call + words, ranks: 2, status: 1, saying: "data/gtFine/test: holds no labeled pixel", "give --export FOLDER",
          "without --json")
      }
    }

    @Test("Predictions that cannot be written cost no figure; they are counted, the first is named, the status is 1")
    func obstacle() throws {
      let obstacle = "predictions/" + names("prediction")[2]
      try FileManager.default.createDirectory(atPath: work.place(obstacle), withIntermediateDirectories: true)
      let job = try work.gscnn(Workplace.evaluate + ["--export", "predictions"], ranks: 2)
      #expect(job.status == 1)
      #expect(job.output.count > 19)
      #expect(
        job.errors.last?.hasPrefix(
          "gscnn: 1 of 4 predictions are not written; the first: \(obstacle): cannot be written (")
          == true, "\(job.errors)")
      #expect(try work.names(in: "predictions") == names("prediction"))

      // The remedy.
      try work.remove(obstacle)
      #expect(try work.gscnn(Workplace.evaluate + ["--export", "predictions"]).status == 0)
    }

    @Test(
      "What cannot be written is refused before the evaluation",
      arguments: [
        ("--json", "results", "the report cannot be written"),
        ("--json", "nowhere/a.json", "the report cannot be written"),
        ("--export", "results/resnet50_32_32_steps.csv", "the folder cannot be created"),
        ("--export", "/proc/none", "the folder cannot be created"),
      ])
    func unwritable(option: String, path: String, problem: String) throws {
      let remedy = option == "--json" ? "give another path for --json" : "give one that can be written"
      try work.expectRefusal(Workplace.evaluate + [option, path], status: 1, saying: path, problem, remedy)
    }

    @Test("An output that would replace an input, an image or a label is refused; a pipe is written to")
    func outputIsInput() throws {
      let label = Workplace.labelIds("val", 0)
      for (option, path, problem) in [
        ("--json", Workplace.model, "this command reads that file"), ("--json", label, "among the images and labels"),
        ("--export", "data/gtFine/val", "among the images and labels"),
      ] {
        try work.expectRefusal(
          Workplace.evaluate + [option, path], status: 2, saying: "\(option) \(path): ", problem, "give another")
      }
      let image = Workplace.image("val", 0)
      let view = [
        "view", "--data-path", "data", "--model-weight", Workplace.model, "--threads", "1", "--input-pic", image,
      ]
      for path in [image, "./" + Workplace.model] {
        try work.expectRefusal(view + ["--output", path], status: 2, saying: "--output \(path): ", "give another")
      }
      let job = try work.gscnn(Workplace.evaluate + ["--json", "/dev/stdout"])
      #expect(job.status == 0, "\(job.errors)")
      #expect(
        job.output.contains { $0.contains("\"mean_class_iou\": ") }, "\(job.output)")
    }
  }
}
