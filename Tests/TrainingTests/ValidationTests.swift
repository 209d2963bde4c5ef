import Cityscapes
import Foundation
import Images
import Jobs
import SyntheticStreets
import Tensors
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
        let job = try run.train(ranks: ranks, "--epochs", "1", "--test", "never", "--validate-on", validators)
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

    @Test("evaluate is exact for odd sizes, for different sizes in one split, and on any number of ranks")
    func evaluate() throws {
      let data = try Self.streetsOfAllSizes()
      let run = try TrainingRun("evaluate", on: data)
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: data)
      }
      #expect(try run.train("--epochs", "1", "--test", "never").status == 0)

      var found: [[String: NSObject]] = []
      var images: [[String: Data]] = []
      for ranks in [nil, 2, 3, 4] {
        let (json, folder) = (run.folder + "/metrics.json", run.folder + "/predictions")
        let job = try Job.run(
          "gscnn",
          [
            "evaluate", "--data-path", data, "--model-weight", run.model, "--threads", "1", "--json", json, "--export",
            folder,
          ], ranks: ranks, mpirun: ["--quiet", "--mca", "mpi_yield_when_idle", "1"], limit: 120)
        #expect(job.status == 0, "\(job.errors)")
        // cityscapesScripts writes NaN, which is no JSON.
        let text = try String(contentsOfFile: json, encoding: .utf8).replacingOccurrences(of: ": NaN", with: ": null")
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        var metrics = try #require(object as? [String: NSObject])
        for speed in ["seconds", "images_per_second"] { metrics[speed] = nil }
        found.append(metrics)
        if ranks == nil {
          let confusion = try #require(metrics["confusion"] as? [[Int64]])
          #expect(try Self.confusion(of: folder, on: data) == confusion.flatMap { $0 })
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        images.append(
          try Dictionary(
            uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))) }))
        try FileManager.default.removeItem(atPath: folder)
      }
      #expect(found[0]["loss"] != nil && images[0].count == 3)
      for index in 1..<found.count {
        #expect(found[0] == found[index])
        #expect(images[0] == images[index])
      }
    }

    /// Three validation images of three sizes, two of them odd.
    private static func streetsOfAllSizes() throws -> String {
      let sizes = [Size(48, 72), Size(33, 47), Size(61, 32)]
      let path = try RunFolder.new("sizes")
      try SyntheticStreets(train: 4, val: 3, test: 0, size: sizes[0], seed: 5).write(to: path)
      for index in 1..<sizes.count {
        let other = try RunFolder.new("size")
        try SyntheticStreets(train: 0, val: 3, test: 0, size: sizes[index], seed: 5).write(to: other)
        for (old, new) in zip(
          try CityscapesDirectory(root: other).samples(of: .val), try CityscapesDirectory(root: path).samples(of: .val)
        ).dropFirst(index) {
          for file in [\SamplePaths.image, \.labelIds] {
            try FileManager.default.removeItem(atPath: new[keyPath: file])
            try FileManager.default.moveItem(atPath: old[keyPath: file], toPath: new[keyPath: file])
          }
        }
        try FileManager.default.removeItem(atPath: other)
      }
      return path
    }

    /// The confusion matrix of exported predictions, counted pixel by pixel.
    private static func confusion(of folder: String, on data: String) throws -> [Int64] {
      let classes = Label.classes.map { UInt8($0.id) }
      var counts = [Int64](repeating: 0, count: classes.count * classes.count)
      for sample in try CityscapesDirectory(root: data).samples(of: .val) {
        let truth = try PNG.read(sample.labelIds, as: .gray)
        let prediction = try PNG.read("\(folder)/\(sample.name)_prediction.png", as: .gray)
        #expect(prediction.size == truth.size)
        for (truth, prediction) in zip(truth.pixels, prediction.pixels) {
          guard let row = classes.firstIndex(of: truth) else { continue }
          counts[row * classes.count + (try #require(classes.firstIndex(of: prediction)))] += 1
        }
      }
      return counts
    }
  }
}
