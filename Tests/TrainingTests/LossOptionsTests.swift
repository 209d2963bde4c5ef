import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Images
import Tensors
import Testing
import Training

extension Trainings {
  @Suite("Options of the loss")
  struct LossOptionsTests {
    private static let options = [
      "--loss", "full", "--class-weights", "split", "--ohem", "0.3,200", "--epochs", "1", "--test", "end",
      "--checkpoint-every", "1", "--keep", "9",
    ]
    /// Two steps on one rank.
    private static let full = Result {
      let run = try TrainingRun("full", on: fewStreets.get())
      let job = try run.train(options)
      guard job.status == 0 else { throw TrainingRun.Failed(errors: job.errors) }
      #expect(job.errors.contains { $0.hasPrefix("class weights: road 3.") && $0.contains(", bicycle ") })
      #expect(job.errors.contains { $0.contains("/2 loss ") && $0.contains(" dual 0.") })
      return run
    }

    @Test("The full loss with class weights of the split and hard example mining has the same bits on 1, 2 and 4 ranks")
    func ranks() throws {
      let one = try Self.full.get()
      for (count, data) in try [(2, Self.streetsWithoutCounts()), (4, fewStreets.get())] {
        let run = try TrainingRun("full-ranks", on: data)
        defer { run.remove() }
        let job = try run.train(ranks: count, Self.options)
        #expect(job.status == 0, "\(job.errors)")
        try run.expectSame(as: one)
      }
    }

    /// `fewStreets`, with maps as of an earlier version, which do not say how many pixels of a class they have: the ranks
    /// count them.
    private static func streetsWithoutCounts() throws -> String {
      let data = try RunFolder.streets(train: 8, val: 1)
      for sample in try CityscapesDirectory(root: data).samples(of: .train) {
        let map = try PNG.read(sample.labelTrainIds, as: .gray)
        try PNG.write(map, to: sample.labelTrainIds)
      }
      let communicator = try Communicator.initialize()
      let maps = try Preprocessing.runOnAllRanks(
        CityscapesDirectory(root: data).samples(of: .train), of: data, prepared: nil, communicator: communicator,
        threads: 1)
      #expect(maps.hasLabeledPixels(.train) == nil)
      return data
    }

    @Test("Resumed in mid-epoch with another number of ranks it ends with the same bytes")
    func resumed() throws {
      let one = try Self.full.get()
      let run = try TrainingRun("full-resumed", on: fewStreets.get())
      defer { run.remove() }
      let job = try run.train(ranks: 2, Self.options + ["--resume", one.checkpoint(1)])
      #expect(job.status == 0, "\(job.errors)")
      try run.expectSame(as: one)
    }

    @Test("Its steps have the dual-task loss in a column, a part of the total; standard training has other losses")
    func losses() throws {
      let rows = try Self.full.get().steps.map { $0.split(separator: ",") }
      #expect(rows.first?[6] == "dual" && rows.count == 3)
      for row in rows.dropFirst() {
        let figures = row[2...].compactMap { Double($0) }
        try #require(figures.count == 7)
        #expect(abs(figures[0] - (figures[1] + 20 * figures[2] + figures[3] + figures[4])) < 1e-6)
        #expect(figures[4] > 0.01 && figures[4] < 1)
      }
      let standard = try oneStep.get().steps[1].split(separator: ",")
      // Before the first update only class weights and mining make a difference.
      #expect(standard[4] == rows[1][4] && standard[3] != rows[1][3])
    }

    @Test("The pixels of the classes are the same from prepared maps that say them and from maps that are read")
    func trainingPixels() throws {
      var options = TrainingOptions()
      options.dataPath = try fewStreets.get()
      options.batchSize = 2
      let communicator = try Communicator.initialize()
      let listed = try TrainingDataset.listOnAllRanks(options, communicator: communicator)
      let maps = try Preprocessing.runOnAllRanks(
        listed.train, of: options.dataPath, prepared: nil, communicator: communicator, threads: 1)
      let prepared = listed.prepared(as: maps)
      let recorded = try prepared.trainingPixels(of: .cityscapes, communicator: communicator, threads: 1)
      let counted = try prepared.classCentroids(communicator: communicator, threads: 2).pixels
      #expect(counted == recorded)
      let total = counted.reduce(0, +)
      #expect(total > 8 * 48 * 72 / 2 && total < 8 * 48 * 72)
      // By hand, from the train ids of one map after another.
      var expected = [Int](repeating: 0, count: 256)
      for sample in prepared.train {
        for id in try PNG.read(sample.labelTrainIds, as: .gray).pixels { expected[Int(id)] += 1 }
      }
      #expect(counted == Array(expected[..<19]))
    }

    @Test("Another number of weights than classes is refused before anything is written")
    func numberOfWeights() throws {
      let run = try TrainingRun("weights", on: fewStreets.get())
      let job = try run.train("--class-weights", "1,2,3")
      #expect(job.status == 2)
      #expect(
        job.errors.last
          == "gscnn: --class-weights 1.0,2.0,3.0: 3 weights for the 19 classes of Cityscapes; give one for each, in the order "
          + "of the train ids, or split")
      #expect(!FileManager.default.fileExists(atPath: run.folder))
    }
  }
}
