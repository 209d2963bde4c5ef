import Foundation
import Jobs
import Testing
import Training

extension Trainings {
  @Suite("Batch norm over groups of images")
  struct BatchNormGroupTests {
    /// An epoch of two steps.
    private static let options = ["--batch-size", "8", "--epochs", "1", "--keep", "1", "--batch-norm-group"]
    private static let pairs = Result { try trained("pairs", group: "2", ranks: nil) }
    private static let fours = Result { try trained("fours", group: "4", ranks: nil) }

    private static func trained(_ name: String, group: String, ranks: Int?) throws -> TrainingRun {
      let run = try TrainingRun(name)
      let job = try run.train(ranks: ranks, options + [group])
      guard job.status == 0 else { throw TrainingRun.Failed(errors: job.errors) }
      return run
    }

    @Test("Two groups in each rank, then one after a resume mid-epoch, give the bytes of four in one rank")
    func groupsInsideRanks() throws {
      let run = try TrainingRun("groups-inside-ranks")
      defer { run.remove() }
      for ranks in [2, 4] {
        let job = try run.train(ranks: ranks, Self.options + ["2", "--resume", "auto", "--stop-after", "1"])
        #expect(job.status == 0, "\(job.errors)")
      }
      #expect(run.losses.count == 2)
      try run.expectSame(as: Self.pairs.get())
    }

    @Test("Groups over two ranks give the bytes of two groups in one rank")
    func groupsOverRanks() throws {
      let run = try Self.trained("groups-over-ranks", group: "4", ranks: 4)
      defer { run.remove() }
      #expect(run.losses.count == 2)
      try run.expectSame(as: Self.fours.get())
    }

    @Test("Groups of other sizes give other losses")
    func sizesMatter() throws {
      let (pairs, fours) = (try Self.pairs.get(), try Self.fours.get())
      #expect(pairs.losses.first != fours.losses.first)
    }

    @Test("A group of the whole batch is synchronized batch norm, to the bit")
    func wholeBatch() throws {
      let run = try TrainingRun("whole-batch", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try run.train(ranks: 2, "--batch-norm-group", "4", "--stop-after", "1")
      #expect(job.status == 0, "\(job.errors)")
      let expected = try Trainings.oneStep.get()
      #expect(run.steps == expected.steps)
      for file in ["/model.safetensors", "/momentum.safetensors"] {
        #expect(
          FileManager.default.contentsEqual(
            atPath: run.checkpoint(1) + file, andPath: expected.checkpoint(1) + file))
      }
    }

    @Test(
      "A group that the batch or the ranks' shares do not nest with is refused in one line that names those that do")
    func refusedByProgram() throws {
      let run = try TrainingRun("refused-group")
      let job = try run.train(ranks: 2, "--batch-size", "8", "--batch-norm-group", "3")
      #expect(job.status == 2)
      #expect(
        job.errors == [
          "gscnn: --batch-norm-group 3: a group must divide the batch of 8 images, and divide, or be a multiple of, each "
            + "rank's share of 4; give 2, 4, 8, or leave it out"
        ])
      #expect(!FileManager.default.fileExists(atPath: run.folder))
    }
  }
}

@Suite("Groups of batch norm")
struct BatchNormGroupLayoutTests {
  @Test(
    "Groups lie inside shares, or shares inside groups",
    arguments: [
      // images of a group, batch, ranks; groups, groups of a rank, ranks of a group
      ([2, 8, 1], [4, 4, 1]), ([2, 8, 2], [4, 2, 1]), ([2, 8, 4], [4, 1, 1]), ([4, 8, 4], [2, 1, 2]),
      ([3, 12, 2], [4, 2, 1]), ([12, 48, 12], [4, 1, 3]), ([8, 8, 3], [1, 1, 3]), ([2, 2, 1], [1, 1, 1]),
    ])
  func layout(_ given: [Int], _ expected: [Int]) throws {
    let groups = try #require(BatchNormGroups(of: given[0], batchSize: given[1], ranks: given[2]))
    #expect([groups.count, groups.perRank, groups.ranksPerGroup] == expected)
  }

  @Test(
    "Groups that do not nest with the shares have no layout",
    arguments: [
      [1, 8, 1], [3, 8, 1], [16, 8, 1], [2, 8, 3], [4, 12, 2], [6, 24, 6], [0, 8, 1], [-2, 8, 1],
    ])
  func none(_ given: [Int]) {
    #expect(BatchNormGroups(of: given[0], batchSize: given[1], ranks: given[2]) == nil)
  }

  private func refusal(_ ranks: Int, _ change: (inout TrainingOptions) -> Void) -> String? {
    var options = TrainingOptions()
    change(&options)
    do {
      try options.validate(ranks: ranks)
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test("Every size that a refusal names is accepted")
  func remedy() {
    for (batch, ranks) in [(8, 1), (24, 6), (12, 3), (7, 2), (96, 8), (13, 13)] {
      let sizes = BatchNormGroups.sizes(batchSize: batch, ranks: ranks)
      #expect(sizes.last == batch)
      for size in 2...batch {
        let refusal = refusal(ranks) { ($0.batchSize, $0.batchNormGroup) = (batch, size) }
        #expect((refusal == nil) == sizes.contains(size), "\(size) of \(batch) on \(ranks)")
        #expect(refusal?.contains("give \(sizes[0])") != false)
      }
    }
  }

  @Test("Unequal shares, and local batch norm, are refused")
  func refused() {
    #expect(
      refusal(3) { ($0.batchSize, $0.batchNormGroup) = (8, 2) }
        == "--batch-norm-group 2: 3 ranks hold unequal shares of the batch of 8 images, and groups within it need equal "
        + "ones; give 8, or leave it out")
    #expect(
      refusal(2) { ($0.batchSize, $0.batchNormGroup, $0.batchNorm) = (8, 2, .local) }
        == "--batch-norm-group 2: with --batch-norm local each rank normalizes its share; leave one of the two out")
    #expect(refusal(2) { ($0.batchSize, $0.batchNormGroup) = (8, nil) } == nil)
  }

  @Test("A resumed run must keep the groups")
  func kept() {
    func refusal(_ old: Int?, _ new: Int?) -> String? {
      var (earlier, later) = (TrainingOptions(), TrainingOptions())
      (earlier.batchNormGroup, later.batchNormGroup) = (old, new)
      do {
        try TrainingState(options: earlier).requireSameTraining(as: later)
        return nil
      } catch {
        return "\(error)"
      }
    }
    let remedy = "or start again in another --save-path"
    #expect(
      refusal(2, 4)
        == "--batch-norm-group 4: the checkpoint was made with 2; give --batch-norm-group 2, \(remedy)")
    #expect(
      refusal(2, nil)
        == "--batch-norm-group left out: the checkpoint was made with 2; give --batch-norm-group 2, \(remedy)")
    #expect(refusal(nil, 2) == "--batch-norm-group 2: the checkpoint was made without it; leave it out, \(remedy)")
    #expect(refusal(2, 2) == nil)
  }
}
