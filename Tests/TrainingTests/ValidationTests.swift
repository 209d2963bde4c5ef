import Foundation
import Jobs
import Testing

extension Trainings {
  @Suite("Validation ranks")
  struct ValidationTests {
    @Test(
      "Metrics and predictions are identical whichever ranks validate",
      arguments: [(images: 5, ranks: 2), (2, 3)])
    func validators(images: Int, ranks: Int) throws {
      let data = try RunFolder.streets(train: 4, val: images)
      defer { try? FileManager.default.removeItem(atPath: data) }
      let runs = try ["rank0", "all"].map { validators in
        let run = try TrainingRun("validators", on: data)
        let job = try run.train(ranks: ranks, "--epochs", "1", "--no-test", "--validate-on", validators)
        #expect(job.status == 0, "\(job.errors)")
        return run
      }
      defer { for run in runs { run.remove() } }
      #expect(runs[0].statistics.count == 2)
      #expect(runs[0].statistics == runs[1].statistics)
      let predictions = try runs.map { try $0.predictions("val") }
      #expect(predictions[0].count == images)
      #expect(predictions[0] == predictions[1])
    }

    @Test("evaluate has the same metrics and predictions on any number of ranks")
    func evaluate() throws {
      let data = try RunFolder.streets(train: 4, val: 5)
      let run = try TrainingRun("evaluate", on: data)
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: data)
      }
      #expect(try run.train("--epochs", "1", "--no-test").status == 0)

      var found: [[String: NSObject]] = []
      var images: [[String: Data]] = []
      for ranks in [nil, 3] {
        let (json, folder) = (run.folder + "/metrics.json", run.folder + "/predictions")
        let job = try Job.run(
          "gscnn",
          [
            "evaluate", "--data-path", data, "--model-weight", run.model, "--threads", "1", "--json", json, "--export",
            folder,
          ], ranks: ranks, mpirun: ["--quiet", "--mca", "mpi_yield_when_idle", "1"], limit: 120)
        #expect(job.status == 0, "\(job.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: json)))
        var metrics = try #require(object as? [String: NSObject])
        for speed in ["seconds", "images_per_second"] { metrics[speed] = nil }
        found.append(metrics)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        images.append(
          try Dictionary(
            uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))) }))
        try FileManager.default.removeItem(atPath: folder)
      }
      #expect(found[0]["loss"] != nil && images[0].count == 5)
      #expect(found[0] == found[1])
      #expect(images[0] == images[1])
    }
  }
}
