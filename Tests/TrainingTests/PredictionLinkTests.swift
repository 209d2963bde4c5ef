import Foundation
import Testing

extension Trainings {
  @Suite("Symbolic links in a run's folder")
  struct PredictionLinkTests {
    @Test("Links in place of prediction folders are replaced; what they point to stays as it was")
    func links() throws {
      let run = try TrainingRun("links", on: fewStreets.get())
      defer { run.remove() }
      let outside = run.folder + "/outside"
      try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
      try Data("mine".utf8).write(to: URL(fileURLWithPath: outside + "/file"))
      let folder = run.folder + "/resnet50_24_40"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      for (name, target) in [("val", outside), (".val-pending", outside), ("test", run.folder + "/nowhere")] {
        try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: target)
      }
      let job = try run.train("--epochs", "1")
      #expect(job.status == 0, "\(job.errors)")
      #expect(try TrainingRun.files(in: outside) == ["file": Data("mine".utf8)])
      for split in ["val", "test"] {
        let type = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(split)")[.type] as? FileAttributeType
        #expect(type == .typeDirectory, "\(split)")
        #expect(try run.predictions(split).isEmpty == false)
      }
    }
  }
}
