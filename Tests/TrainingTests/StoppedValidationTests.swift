import Cityscapes
import Foundation
import Images
import Jobs
import Testing

/// A run of one step, which is stopped and killed while it validates and while it predicts the test split, and resumed
/// each time with another number of ranks.
private struct StoppedValidation: Sendable {
  static let shared = Result { try StoppedValidation() }
  static let (validation, test) = (13, 5)

  /// One start of the program.
  struct Leg: Sendable {
    let job: Job
    /// The predictions that were there at its end: inodes by file name. A file that is written again has another.
    let predictions: [String: UInt64]

    /// The line that says how much was done before.
    var goesOn: String? { job.errors.first { $0.contains(" goes on: ") } }
  }

  let undisturbed: TrainingRun
  let run: TrainingRun
  /// Stopped in the validation on two ranks, killed there on three, stopped in the test split on one, ended on four.
  let (stopped, killed, stoppedInTest, last): (Leg, Leg, Leg, Leg)
  let afterTheEnd: Leg

  private init() throws {
    let data = try RunFolder.streets(train: 4, val: Self.validation, test: Self.test)
    // As in Cityscapes every pixel of the test split is unlabeled.
    for sample in try CityscapesDirectory(root: data).samples(of: .test) {
      let size = try PNG.read(sample.labelIds, as: .gray).size
      try PNG.write(Image(size, channels: 1, filledWith: 0), to: sample.labelIds)
    }
    undisturbed = try TrainingRun("undisturbed", on: data)
    let job = try undisturbed.train("--epochs", "1")
    guard job.status == 0 else { throw TrainingRun.Failed(errors: job.errors) }

    let run = try TrainingRun("stopped-validation", on: data)
    func leg(ranks: Int?, _ split: String, fault: String? = nil) throws -> Leg {
      let job = try run.train(ranks: ranks, ["--epochs", "1", "--resume", "auto"], fault: fault)
      let folder = run.folder + "/resnet50_24_40/" + split
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      let predictions = names.filter { !$0.hasPrefix(".") }.map { name in
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
        return (name, attributes?[.systemFileNumber] as? UInt64 ?? 0)
      }
      return Leg(job: job, predictions: Dictionary(uniqueKeysWithValues: predictions))
    }
    // Rank 1 of two evaluates images 2, 4, 6; then rank 2 of three images 9 and 12.
    stopped = try leg(ranks: 2, ".val-pending", fault: "phase=validation rank=1 number=6 action=usr1")
    killed = try leg(ranks: 3, ".val-pending", fault: "phase=validation rank=2 number=12 action=kill")
    stoppedInTest = try leg(ranks: nil, ".test-pending", fault: "phase=validation number=3 action=term")
    last = try leg(ranks: 4, "test")
    afterTheEnd = try leg(ranks: nil, "test")
    self.run = run
  }
}

extension Trainings {
  @Suite("Stopped validation")
  struct StoppedValidationTests {
    @Test(
      "A run stopped and killed in validation and in the test split, resumed with other ranks, ends with the same bytes"
    )
    func sameBytes() throws {
      let stopped = try StoppedValidation.shared.get()
      try #require(stopped.last.job.status == 0, "\(stopped.last.job.errors)")
      try stopped.run.expectSame(as: stopped.undisturbed)
      let folder = stopped.run.folder + "/resnet50_24_40"
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
          == ["checkpoints", "status.json", "tensorboard", "test", "val"])
    }

    @Test("A signal to one rank stops both after the image, with status 75, and no image is evaluated again")
    func signal() throws {
      let stopped = try StoppedValidation.shared.get()
      #expect(stopped.stopped.job.status == 75, "\(stopped.stopped.job.errors)")
      #expect(stopped.stopped.predictions.count == 6)
      #expect(stopped.killed.goesOn == "  val goes on: 6 of 13 images are done")
      for (name, inode) in stopped.stopped.predictions {
        #expect(stopped.killed.predictions[name] == inode, "\(name) was written again")
      }
    }

    @Test("A killed rank loses one image's work a rank")
    func killed() throws {
      let stopped = try StoppedValidation.shared.get()
      #expect(stopped.killed.job.status != 0)
      #expect(stopped.stoppedInTest.goesOn == "  val goes on: 9 of 13 images are done")
    }

    @Test("A stop in the test split of a new best model repeats no image of the validation")
    func bestModel() throws {
      let data = try RunFolder.streets(train: 4, val: 2, test: 4)
      let run = try TrainingRun("best-model", on: data)
      defer {
        run.remove()
        try? FileManager.default.removeItem(atPath: data)
      }
      let options = ["--epochs", "1", "--test", "best", "--resume", "auto"]
      // The validation has two images.
      let stopped = try run.train(options, fault: "phase=validation number=3 action=usr1")
      #expect(stopped.status == 75, "\(stopped.errors)")
      let pending = try RunFolder.files(below: run.folder + "/resnet50_24_40/.val-pending")
      let resumed = try run.train(options)
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(resumed.errors.contains("  test goes on: 3 of 4 images are done"))
      #expect(pending.count == 2)
      #expect(try RunFolder.files(below: run.folder + "/resnet50_24_40/val") == pending)
    }

    @Test("The test split is predicted once, at the end; it goes on after a stop, and has no figures without labels")
    func testSplit() throws {
      let stopped = try StoppedValidation.shared.get()
      #expect(stopped.stoppedInTest.job.status == 75, "\(stopped.stoppedInTest.job.errors)")
      #expect(stopped.stoppedInTest.predictions.count == 3)
      #expect(stopped.last.goesOn == "  test goes on: 3 of 5 images are done")
      for (name, inode) in stopped.stoppedInTest.predictions {
        #expect(stopped.last.predictions[name] == inode, "\(name) was written again")
      }
      let lines = stopped.last.job.errors.filter { $0.hasPrefix("  test: ") }
      #expect(lines == ["  test:  5 images predicted; no figures, as their labels are empty"])

      #expect(stopped.afterTheEnd.job.status == 0)
      #expect(stopped.afterTheEnd.predictions == stopped.last.predictions, "not predicted again")
    }
  }
}
