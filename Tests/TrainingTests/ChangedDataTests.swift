import Cityscapes
import Distributed
import Foundation
import SyntheticStreets
import Tensors
import Testing
import Training

@Suite("Resuming with changed data")
struct ChangedDataTests {
  private func data(images: Int) throws -> TrainingDataset {
    let root = NSTemporaryDirectory() + "/changed-data-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: root) }
    try SyntheticStreets(train: images, val: 1, test: 0, size: Size(32, 32)).write(to: root)
    var options = TrainingOptions()
    options.dataPath = root
    options.batchSize = 2
    options.test = .never
    return try TrainingDataset.listOnAllRanks(options, communicator: Communicator.initialize())
  }

  @Test("A run resumes with its images in another folder, but not with more or fewer")
  func refused() throws {
    var state = TrainingState(options: TrainingOptions())
    try state.requireSameData(data(images: 3).digest)
    state.dataDigest = try data(images: 3).digest
    try state.requireSameData(data(images: 3).digest)
    for images in [2, 4] {
      let digest = try data(images: images).digest
      let error = #expect(throws: OptionError.self) { try state.requireSameData(digest) }
      #expect(error?.option == "--data-path")
    }
  }
}
