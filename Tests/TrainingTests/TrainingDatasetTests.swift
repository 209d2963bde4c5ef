import Cityscapes
import Distributed
import Tensors
import Testing
import Training

extension Trainings {
  @Suite("Training dataset")
  struct TrainingDatasetTests {
    @Test("Without augmentation every epoch has the images in file order, cropped or padded")
    func plain() throws {
      var options = TrainingOptions()
      options.dataPath = try Trainings.fewStreets.get()
      options.augmentation = .none
      options.cropHeight = 60
      options.cropWidth = 64
      let dataset = try TrainingDataset.listOnAllRanks(options, communicator: Communicator.initialize())
      #expect(dataset.stepsPerEpoch == 2)
      for epoch in 0..<2 {
        let loader = dataset.loader(from: Position(epoch: epoch, step: 0))
        let batches = [try loader.next(), try loader.next()].compactMap { $0 }
        #expect(batches.map(\.indices) == [[0, 1, 2, 3], [4, 5, 6, 7]])
        #expect(try loader.next() == nil)
        for (place, index) in batches[1].indices.enumerated() {
          let sample = try Sample.read(dataset.train[index], index: index)
          let target = batches[1].target[place * 60 * 64..<(place + 1) * 60 * 64]
          let expected = (0..<60).flatMap { y in
            (0..<64).map { x in y < 48 ? sample.trainIds.pixels[y * 72 + x] : 255 }
          }
          #expect(
            Array(target) == expected, "48 rows of the image, then ignored rows; 64 of its 72 columns")
          let edges = (0..<48).map { batches[1].canny[place, $0, 63, 0] == 0 }
          #expect(edges == (0..<48).map { sample.canny.pixels[$0 * 72 + 63] == 0 })
        }
      }
    }

    @Test("A loader that starts mid-epoch continues with the same batches")
    func middle() throws {
      var options = TrainingOptions()
      options.dataPath = try Trainings.streets.get()
      options.cropHeight = 32
      options.cropWidth = 32
      options.seed = 11
      let dataset = try TrainingDataset.listOnAllRanks(options, communicator: Communicator.initialize())
      let whole = dataset.loader(from: Position(epoch: 1, step: 0))
      let batches = try (0..<4).compactMap { _ in try whole.next() }
      let remaining = dataset.loader(from: Position(epoch: 1, step: 2))
      for expected in batches[2...] {
        let batch = try #require(try remaining.next())
        #expect(batch.indices == expected.indices)
        #expect(batch.image.dense == expected.image.dense)
        #expect(batch.target == expected.target)
      }
      #expect(Set(batches.flatMap(\.indices)).count == 16, "each image once per epoch")
    }
  }
}
