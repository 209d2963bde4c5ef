import Foundation
import ImageFixtures
import Images
import Jobs
import Tensors
import Testing

extension CommandLine {
  @Suite("Other data sets")
  struct OtherDataSetTests {
    private static let model = "results/resnet50_32_32_model.safetensors"
    let work: Workplace

    init() throws { work = try Workplace() }

    private func run(_ words: [String], ranks: Int? = nil) throws -> Job {
      let job = try work.gscnn(words, ranks: ranks)
      try #require(job.status == 0, "\(words): \(job.errors)")
      return job
    }

    private func training(_ set: OtherDataSet) -> [String] {
      Workplace.training + set.test + ["--classes", set.file, "--threads", "1"]
    }

    @Test(
      "Preparing, training, evaluation, prediction, view, info and export work on 2, 11 and 150 classes",
      .enabled(if: JPEG.isSupported, "this program has no libjpeg"), arguments: OtherDataSet.allCases)
    func chain(set: OtherDataSet) throws {
      try set.write(to: work)
      try prepare(set)
      try train(set)
      let predicted = try predict(set)
      try evaluate(set, predicted)
      try view(set)
      try browse(set)
      try describe(set)
      try export(set)
    }

    private func prepare(_ set: OtherDataSet) throws {
      let job = try run(["prepare", "--classes", set.file], ranks: set == .camvid ? 2 : nil)
      let images = ["train", "val", "test"].reduce(0) { $0 + set.samples($1).count }
      #expect(job.errors == [])
      #expect(job.output.first == "\(images) images prepared in data/prepared")
      #expect(job.output.count == (set == .camvid ? 4 : 3))
      #expect(job.output[1].hasPrefix("train: ") && job.output[1].contains(" % \(set.names[1])"))
      #expect(job.output[1].contains(" % ignored") == (set != .mask))
      let again = try run(["prepare", "--classes", set.file])
      #expect(again.output.first == "everything is prepared in data/prepared")
    }

    private func train(_ set: OtherDataSet) throws {
      let job = try run(training(set) + ["--epochs", "1", "--log-every", "1"])
      let screen = job.errors.joined(separator: "\n")
      #expect(screen.contains("epoch 1/1 step 2/2 loss "))
      #expect(screen.contains("  category  ") == (set == .camvid))
      let statistics = try work.text("results/resnet50_32_32_statistics.csv").split(separator: "\n")
      let header = statistics[0].split(separator: ",", omittingEmptySubsequences: false)
      let row = statistics[1].split(separator: ",", omittingEmptySubsequences: false)
      #expect(header.count == row.count)
      for (name, value) in zip(header, row) {
        #expect((name.contains("category") && set != .camvid) == value.isEmpty, "\(name): \(value)")
      }
      let names = try work.names(in: "results/resnet50_32_32/val")
      #expect(names.count == 2 && names.allSatisfy { $0.hasSuffix("_color.png") })
    }

    /// - Returns: the label ids that are predicted of each validation image.
    private func predict(_ set: OtherDataSet) throws -> [Image] {
      let images = set.samples("val").map { "data/" + $0.image }
      _ = try run(
        ["predict", "--model-weight", Self.model, "--label-ids", "--color", "--overlay", "--probabilities"] + images)
      return try images.map { path in
        let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
        let ids = try PNG.read(work.place("predictions/\(name)_labelIds.png"), as: .gray)
        let colors = try PNG.read(work.place("predictions/\(name)_color.png"), as: .gray)
        #expect(colors.pixels.map { set.id(Int($0)) } == ids.pixels)
        let array = try Data(
          contentsOf: URL(fileURLWithPath: work.place("predictions/\(name)_probabilities.npy")))
        #expect(
          array.range(of: Data("(\(set.classes), \(ids.size.height), \(ids.size.width))".utf8)) != nil)
        return ids
      }
    }

    /// The figures are those of a count by hand of the predictions.
    private func evaluate(_ set: OtherDataSet, _ predicted: [Image]) throws {
      let call = ["evaluate", "--model-weight", Self.model, "--json"]
      let job = try run(call + ["alone.json"])
      #expect(job.errors == [])
      #expect(job.output.contains { $0.hasPrefix("category ") } == (set == .camvid))
      #expect(set.names.allSatisfy { name in job.output.contains { $0.hasPrefix(name + " ") } })
      let figures = try #require(
        JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: work.place("alone.json"))))
          as? [String: Any])
      var counts = [[Int]](repeating: [Int](repeating: 0, count: set.classes), count: set.classes)
      var trainIds: [UInt8: Int] = [:]
      for trainId in 0..<set.classes { trainIds[set.id(trainId)] = trainId }
      for (sample, ids) in zip(set.samples("val"), predicted) {
        _ = try run([
          "view", "--model-weight", Self.model, "--input-pic", sample.image, "--output", "errors.png", "--legend",
          "--errors", "--width", "100",
        ])
        #expect(try Photograph.size(work.place("errors.png")).width > 4 * 100)
        let truth = try PNG.read(work.place("data/" + sample.labels), as: .gray)
        #expect(truth.size == ids.size)
        for (label, prediction) in zip(truth.pixels, ids.pixels) {
          guard let row = trainIds[label] else { continue }
          counts[row][try #require(trainIds[prediction])] += 1
        }
      }
      #expect(figures["confusion"] as? [[Int]] == counts)
      let total = counts.joined().reduce(0, +)
      let correct = (0..<set.classes).reduce(0) { $0 + counts[$1][$1] }
      #expect(figures["pixels"] as? Int == total)
      // Foundation rounds some decimals to a neighbor of the number that was written.
      func isNear(_ figure: Any?, _ expected: Double) -> Bool {
        (figure as? Double).map { abs($0 - expected) < 1e-12 } ?? false
      }
      #expect(isNear(figures["pixel_accuracy"], Double(correct) / Double(total)))
      let unions = (0..<set.classes).map { trainId in
        (0..<set.classes).reduce(-counts[trainId][trainId]) { $0 + counts[trainId][$1] + counts[$1][trainId] }
      }
      let classes = try #require(figures["classes"] as? [String: [String: Any]])
      #expect(classes.count == set.classes)
      var sum = 0.0
      for (trainId, name) in set.names.enumerated() where unions[trainId] > 0 {
        let iou = Double(counts[trainId][trainId]) / Double(unions[trainId])
        #expect(isNear(classes[name]?["iou"], iou), "\(name)")
        sum += iou
      }
      let mean = sum / Double(unions.count { $0 > 0 })
      #expect(isNear(figures["mean_class_iou"], mean))
      #expect((figures["categories"] as? [String: Any])?.count == (set == .camvid ? 2 : nil))
      #expect((figures["mean_category_iou"] != nil) == (set == .camvid))
      // cityscapesScripts knows none of these classes.
      #expect(figures["confMatrix"] == nil && figures["classScores"] == nil)

      let shared = try run(call + ["shared.json", "--export", "exported", "--classes", set.file], ranks: 2)
      #expect(shared.output.dropLast() == job.output.dropLast())
      #expect(try work.names(in: "exported").count == 2)
      if set == .camvid {
        #expect(
          try run(["evaluate", "--model-weight", Self.model, "--split", "test", "--export", "test"]).errors == [])
        try work.expectRefusal(
          ["evaluate", "--model-weight", Self.model, "--split", "test"], status: 1,
          saying: "data, test: holds no labeled pixel")
      }
    }

    /// Image, ground truth and prediction side by side; the ground truth in the colors of its classes.
    private func view(_ set: OtherDataSet) throws {
      let sample = set.samples("val")[0]
      _ = try run(["view", "--model-weight", Self.model, "--input-pic", sample.image, "--output", "view.png"])
      let view = try PNG.read(work.place("view.png"), as: .rgb)
      let (height, width) = (sample.size.height, sample.size.width)
      #expect(view.size == Size(height, 3 * width))
      let truth = try PNG.read(work.place("data/" + sample.labels), as: .gray)
      for y in 0..<height {
        for x in 0..<width {
          let trainId = (0..<set.classes).first { set.id($0) == truth[y, x, 0] }
          guard set == .camvid || trainId == nil else { continue }
          let color = trainId.flatMap(set.color) ?? [0, 0, 0]
          try #require((0..<3).map { Int(view[y, width + x, $0]) } == color)
        }
      }
    }

    /// The crops that the training begins with.
    private func browse(_ set: OtherDataSet) throws {
      let job = try run(["browse", "data", "--classes", set.file, "--crop-h", "32", "--crop-w", "32", "--images", "3"])
      #expect(job.output.map { $0.prefix { $0 != ":" } } == ["browse.png", "crops", "train", "val"])
      #expect(try Photograph.size(work.place("browse.png")).width == 4 * 200 + 3 * 8 + 2 * 12)
    }

    private func describe(_ set: OtherDataSet) throws {
      let job = try run(["info", Self.model, "--tensors"])
      #expect(job.output.contains("Gated-SCNN on resnet50"))
      #expect(
        job.output.contains { $0.hasPrefix("data_set: \(set.rawValue), \(set.classes) classes: \(set.names[0]), ") })
      #expect(job.output.contains("F32 [\(set.classes), 256, 1, 1] seg.6.weight"))
      #expect(!job.output.contains { $0.contains("missing") || $0.contains("not [") }, "\(job.output.prefix(8))")
      let checkpoint = try run(["info", "results"])
      #expect(checkpoint.output.contains { $0.hasPrefix("resnet50, \(set.classes) classes of \(set.rawValue), crops") })
    }

    private func export(_ set: OtherDataSet) throws {
      _ = try run(["export", "--model-weight", Self.model, "model.onnx"])
      let file = try Data(contentsOf: URL(fileURLWithPath: work.place("model.onnx")), options: .alwaysMapped)
      for text in [
        "[\"\(set.names[0])\", \"\(set.names[1])\"", "logits, float32 [batch, \(set.classes), height, width]",
      ] {
        #expect(
          [file.prefix(40_000), file.suffix(40_000)].contains { $0.range(of: Data(text.utf8)) != nil }, "\(text)")
      }
    }

    // MARK: - Contradictions

    @Test("A model keeps its classes: others are refused with the first difference, in evaluation and on resuming")
    func contradictions() throws {
      try OtherDataSet.mask.write(to: work)
      _ = try run(training(.mask) + ["--epochs", "2", "--stop-after", "1"])
      let checkpoint = "results/resnet50_32_32/checkpoints/step-00000001/model.safetensors"
      var description = OtherDataSet.mask.description
      description["classes"] = [["name": "background", "id": 0], ["name": "hole", "id": 1]]
      try work.write(JSONSerialization.data(withJSONObject: description), to: "hole.json")
      description["classes"] = [["name": "background", "id": 1], ["name": "crack", "id": 0]]
      try work.write(JSONSerialization.data(withJSONObject: description), to: "swapped.json")

      for call in [["evaluate"], ["predict", "data/val/m0.png"]] {
        try work.expectRefusal(
          call + ["--model-weight", checkpoint, "--classes", "hole.json"], status: 1,
          saying: "hole.json: classes: class 1 is hole, but crack in \(checkpoint)", "leave out --classes")
      }
      // Other ids are no contradiction: they are those of the label maps.
      _ = try run(
        ["evaluate", "--model-weight", checkpoint, "--classes", "swapped.json", "--prepared", "swapped"])

      let resume = Workplace.training + ["--test", "never", "--epochs", "2", "--resume", "auto", "--classes"]
      try work.expectRefusal(
        resume + ["swapped.json"], status: 2,
        saying: "--classes mask: the id of background is 1, but 0 in the checkpoint",
        "give the classes of mask")
      let resumed = try run(resume + ["mask.json", "--threads", "1"])
      #expect(resumed.errors.last?.hasPrefix("done; best validation class mIoU ") == true)
    }

    @Test(
      "A model that carries no classes asks for them; one of another number starts a training but for its classifier")
    func withoutDescription() throws {
      try OtherDataSet.mask.write(to: work)
      _ = try run(training(.mask) + ["--stop-after", "1"])
      let checkpoint = "results/resnet50_32_32/checkpoints/step-00000001/model.safetensors"
      try work.copy(checkpoint, to: "plain.safetensors")
      try rename("data_set", to: "data-set", in: "plain.safetensors")
      try work.expectRefusal(
        ["evaluate", "--model-weight", "plain.safetensors"], status: 1,
        saying: "plain.safetensors: has 2 classes and does not say which", "give the JSON file", "--classes")
      _ = try run(["evaluate", "--model-weight", "plain.safetensors", "--classes", "mask.json"])

      // Another data set starts from its weights.
      try work.remove("data")
      try OtherDataSet.camvid.write(to: work)
      try work.expectRefusal(
        ["evaluate", "--model-weight", "plain.safetensors", "--classes", "camvid.json"], status: 1,
        saying: "camvid.json: classes: has 11 entries, but plain.safetensors 2 outputs")
      let job = try run(
        training(.camvid) + ["--stop-after", "1", "--pretrained", checkpoint, "--save-path", "other"])
      let origin = job.errors.first { $0.hasPrefix("from ") } ?? ""
      #expect(origin.contains("seg.6.weight is [2, 256, 1, 1], not [11, 256, 1, 1]"), "\(job.errors)")
    }

    /// Replaces a text of the header of a safetensors file by another of the same length.
    private func rename(_ old: String, to new: String, in name: String) throws {
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: work.place(name)))
      let start = try #require(try file.read(upToCount: 1 << 20))
      let place = try #require(start.range(of: Data("\"\(old)\"".utf8)))
      try file.seek(toOffset: UInt64(place.lowerBound))
      try file.write(contentsOf: Data("\"\(new)\"".utf8))
      try file.close()
    }

    @Test("A description that cannot be used ends every command with one line, alone and on two ranks")
    func descriptions() throws {
      try OtherDataSet.mask.write(to: work)
      try work.write(Data(#"{"name": "x", "classes": 5}"#.utf8), to: "bad.json")
      for call in [["prepare"], ["train"], ["bench", "step"]] {
        try work.expectRefusal(
          call + ["--classes", "bad.json"], status: 1, saying: "bad.json: classes: is no list", "give a list")
        try work.expectRefusal(
          call + ["--classes", "bad.json"], ranks: 2, status: 1, saying: "bad.json: classes: is no list", "give a list")
      }
      try work.expectRefusal(
        ["prepare", "--classes", "none.json"], status: 1, saying: "none.json: cannot be read (No such file",
        "give the JSON")
      try work.expectRefusal(
        ["bench", "loader", "--classes", "mask.json"], status: 2, saying: "--classes needs --data-path")
      // Labels that the description does not know, and a folder that it names wrongly.
      var description = OtherDataSet.mask.description
      description["classes"] = [["name": "background", "id": 0], ["name": "crack", "id": 2]]
      try work.write(JSONSerialization.data(withJSONObject: description), to: "other.json")
      let job = try work.gscnn("prepare", "--classes", "other.json")
      #expect(job.status == 1)
      #expect(
        job.errors.contains {
          $0.contains("data/train/m0_mask.png: holds 1, which is neither a class nor ignored in mask; add it")
        })
      description["images"] = "pictures/{split}/{name}.png"
      try work.write(JSONSerialization.data(withJSONObject: description), to: "other.json")
      try work.expectRefusal(
        ["prepare", "--classes", "other.json"], status: 1,
        saying: "data/pictures/train: holds no images (looked for data/pictures/train/*.png)", "correct --data-path",
        "--classes")
    }

    @Test(
      "bench times a step, an evaluation and the loader with other numbers of classes",
      .enabled(if: JPEG.isSupported, "this program has no libjpeg"))
    func bench() throws {
      try OtherDataSet.ade.write(to: work)
      let size = ["--crop-h", "32", "--crop-w", "32"]
      for words in [
        ["step"] + size, ["evaluate", "--height", "32", "--width", "32"], ["loader", "--data-path", "data"] + size,
      ] {
        let job = try run(["bench"] + words + ["--steps", "1", "--classes", "ade.json"])
        #expect(job.output.count == 1 && job.output[0].hasPrefix("{"))
      }
    }

    @Test("Prepared maps and outputs never replace an image or a label, and no image is in two splits")
    func ownNames() throws {
      let set = OtherDataSet.mask
      try set.write(to: work)
      /// Copies the data set under other names; `place` gives the folders and names of image and labels.
      func copy(
        _ name: String, images: String, labels: String, splits: [String: String] = [:],
        place: (_ split: String, _ index: Int) -> (image: String, labels: String)
      ) throws -> [String] {
        for split in ["train", "val"] {
          for (index, sample) in set.samples(split).enumerated() {
            let files = place(split, index)
            for (source, target) in [(sample.image, files.image), (sample.labels, files.labels)] {
              let path = work.place("\(name)/\(target)")
              try FileManager.default.createDirectory(
                atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
              try work.copy("data/" + source, to: "\(name)/\(target)")
            }
          }
        }
        var description = set.description
        (description["images"], description["labels"], description["splits"]) = (images, labels, splits)
        try work.write(JSONSerialization.data(withJSONObject: description), to: name + ".json")
        return ["--data-path", name, "--classes", name + ".json", "--threads", "1"]
      }
      let maps = try copy("maps", images: "{split}/{name}.png", labels: "prepared/{split}/{name}_labelTrainIds.png") {
        ("\($0)/m\($1).png", "prepared/\($0)/m\($1)_labelTrainIds.png")
      }
      try work.expectRefusal(
        ["prepare"] + maps, status: 1, saying: "maps/prepared/train/m0_labelTrainIds.png: this map would replace",
        "--prepared")
      #expect(try run(["prepare", "--prepared", "elsewhere"] + maps).errors == [])

      let flat = try copy("flat", images: "{split}_{name}.png", labels: "{name}_{split}_prediction.png") {
        ("\($0)_m\($1).png", "m\($1)_\($0)_prediction.png")
      }
      let evaluate = ["evaluate", "--model-weight", "none"] + flat
      for name in ["flat/val_m0.png", "./flat/m1_val_prediction.png"] {
        try work.expectRefusal(
          evaluate + ["--json", name], status: 2, saying: "--json \(name): is named as an image or a label map",
          "give another")
      }
      let twice = try copy(
        "twice", images: "{split}/{name}.png", labels: "labels/{split}/{name}.png", splits: ["val": "train/more"]
      ) { split, index in
        let folder = split == "val" ? "train/more" : "train"
        return ("\(folder)/m\(index).png", "labels/\(folder)/m\(index).png")
      }
      try work.expectRefusal(
        ["prepare"] + twice, status: 1, saying: "twice/train/more/m0.png: is an image of train and of val",
        "give each split names of its own")
    }
  }
}
