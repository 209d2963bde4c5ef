import Cityscapes
import Distributed
import Foundation
import Images
import Inference
import Tensors
import Testing
import Training

extension Trainings {
  @Suite("Results of a run")
  struct ResultTests {
    @Test("The model file is that of the epoch with the best mIoU: its metrics and predictions are those on disk")
    func bestModel() throws {
      let run = try Trainings.straight.get()
      let rows = run.statistics.dropFirst().map { $0.split(separator: ",").map { Double($0) ?? .nan } }
      try #require(rows.count == 2)
      let best = try #require(rows.max { $0[8] < $1[8] })

      let directory = CityscapesDirectory(root: run.data)
      let (val, test) = (try directory.samples(of: .val), try directory.samples(of: .test))
      let evaluator = Evaluator(
        try ModelLoader.read(run.model), workers: WorkerPool(threads: 2), communicator: try Communicator.initialize())
      func predictions(of samples: [SamplePaths], as format: PredictionFolder.Format) throws -> (Evaluation, String) {
        let folder = PredictionFolder(try RunFolder.new("expected"), of: samples, as: format)
        try folder.create()
        let evaluation = try evaluator.evaluate(samples, from: Evaluation(of: samples[0].split), writingTo: folder)
        return (evaluation, folder.path)
      }

      let (validation, expected) = try predictions(of: val, as: .colors)
      defer { try? FileManager.default.removeItem(atPath: expected) }
      #expect(try run.predictions("val") == TrainingRun.files(in: expected))
      #expect(try run.predictions("val").keys.sorted() == val.map { "\($0.name)_color.png" })
      let metrics = validation.metrics
      let scores = [
        validation.loss, 100 * metrics.pixelAccuracy, 100 * metrics.meanAccuracy, 100 * metrics.meanClassIoU,
        100 * (metrics.meanCategoryIoU ?? .nan),
      ]
      for (score, written) in zip(scores, [best[2], best[4], best[6], best[8], best[10]]) {
        #expect(abs(score - written) < 1e-4)
      }

      let (colored, gray) = (try predictions(of: test, as: .colors).1, try predictions(of: test, as: .labelIds()).1)
      defer { for folder in [colored, gray] { try? FileManager.default.removeItem(atPath: folder) } }
      #expect(try run.predictions("test").keys.sorted() == test.map { "\($0.name)_color.png" })
      for sample in test {
        let file = "\(gray)/\(sample.name)_prediction.png"
        #expect(try run.predictions("test")["\(sample.name)_color.png"] == Data(contentsOf: URL(fileURLWithPath: file)))
        #expect(try PNG.header(file).color == .gray)
        let trainIds = try PNG.read("\(colored)/\(sample.name)_color.png", as: .gray).pixels
        #expect(try PNG.read(file, as: .gray).pixels == trainIds.map { Label.ids[Int($0)] })
      }
    }

    @Test("The test split is predicted with the best model, even if the last epoch has made the model worse")
    func testAfterWorseEpoch() throws {
      let run = try TrainingRun("worse", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try run.train("--learning-rate", "1")
      #expect(job.status == 0, "\(job.errors)")
      let scores = run.statistics.dropFirst().map { Double($0.split(separator: ",")[8]) ?? .nan }
      try #require(scores.count == 2 && scores[1] < scores[0], "\(scores)")

      let samples = try CityscapesDirectory(root: run.data).samples(of: .test)
      let folder = PredictionFolder(try RunFolder.new("expected"), of: samples, as: .labelIds(suffix: "color"))
      defer { try? FileManager.default.removeItem(atPath: folder.path) }
      try folder.create()
      _ = try Evaluator(
        try ModelLoader.read(run.model), workers: WorkerPool(threads: 2), communicator: try Communicator.initialize()
      ).evaluate(samples, from: Evaluation(of: .test), writingTo: folder)
      #expect(try run.predictions("test") == TrainingRun.files(in: folder.path))
    }

    @Test("A run leaves no other files")
    func tidy() throws {
      let run = try Trainings.straight.get()
      #expect(
        try names(in: run.folder)
          == [
            "", "_classes.csv", "_model.safetensors", "_options.yaml", "_run.json", "_statistics.csv", "_steps.csv",
            "_validation.json",
          ].map { "resnet50_24_40" + $0 })
      #expect(
        try names(in: run.folder + "/resnet50_24_40") == ["checkpoints", "status.json", "tensorboard", "test", "val"])
      #expect(try names(in: run.checkpoints).allSatisfy { $0.hasPrefix("step-") })
    }

    @Test("A run describes itself: data, classes, length, and each start with its command and ranks")
    func description() throws {
      let run = try Trainings.straight.get()
      let file = try RunDescriptionFile(contentsOf: run.folder + "/resnet50_24_40_run.json")
      #expect(file.dataPath == URL(fileURLWithPath: run.data).path && file.dataSet == "Cityscapes")
      #expect(file.classes.count == 19 && file.classes[0].name == "road" && file.classes[0].color == [128, 64, 128])
      #expect(file.steps == file.epochs * file.stepsPerEpoch && file.starts.count == 1)
      let start = try #require(file.starts.first)
      #expect(start.command.contains("train") && start.step == 0 && !start.layout.isEmpty)
    }

    @Test(
      "The report of the best validation has the figures of its epoch, and its boundary F-scores are in the statistics")
    func validation() throws {
      let run = try Trainings.straight.get()
      let data = try Data(contentsOf: URL(fileURLWithPath: run.folder + "/resnet50_24_40_validation.json"))
      let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let mean = try #require(report["mean_class_iou"] as? Double)
      let header = try #require(run.statistics.first).split(separator: ",")
      let rows = run.statistics.dropFirst().map { $0.split(separator: ",", omittingEmptySubsequences: false) }
      let column = try #require(header.firstIndex(of: "val_class_mIOU"))
      let best = try #require(rows.first { $0[column] == String(format: "%.4f", mean * 100) })
      #expect(rows.compactMap { Double($0[column]) }.max() == Double(best[column]))
      let boundary = try #require(report["boundary"] as? [String: Any])
      let scores = try #require(boundary["mean_f"] as? [Double])
      let first = try #require(header.firstIndex(of: "val_boundary_F_0.00088"))
      #expect(best[first...].prefix(4).map(String.init) == scores.map { String(format: "%.4f", $0 * 100) })
      #expect((report["confusion"] as? [[Int]])?.count == 19 && report["confMatrix"] == nil)
    }

    @Test("Statistics have the columns of the reference implementation, and the learning rate decays each epoch")
    func statistics() throws {
      let run = try Trainings.straight.get()
      #expect(
        run.statistics.first
          == "epoch,train_loss,val_loss,train_PA,val_PA,train_mPA,val_mPA,train_class_mIOU,val_class_mIOU,"
          + "train_category_mIOU,val_category_mIOU,learning_rate,val_boundary_F_0.00088,val_boundary_F_0.001875,"
          + "val_boundary_F_0.00375,val_boundary_F_0.005")
      let rows = run.statistics.dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
      #expect(rows.map(\.count) == [16, 16])
      #expect(rows.map { $0[0] } == [1, 2])
      #expect(rows.map { $0[11] } == [0.01, 0.005])
      for (row, first) in zip(rows, [0, 5]) {
        let mean = run.losses[first..<first + 5].reduce(0, +) / 5
        #expect(abs(row[1] - mean) < 1e-7 * mean, "the loss of an epoch is the mean over its steps")
        #expect((row[3...10] + row[12...]).allSatisfy { (0...100).contains($0) })
      }
      #expect(run.steps.first == "epoch,step,loss,semantic,edge,task,learning_rate,gradient_norm")
      #expect(
        run.steps.dropFirst().map { $0.split(separator: ",").prefix(2).joined(separator: " ") }
          == (1...2).flatMap { epoch in (1...5).map { "\(epoch) \($0)" } })
    }

    private func names(in folder: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }
  }
}
