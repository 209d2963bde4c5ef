import Cityscapes
import Distributed
import Foundation
import SyntheticStreets
import Tensors
import Testing
import Training

@Suite("Data that changed between stopping and going on")
struct ChangedDataTests {
  private func data(images: Int) throws -> TrainingDataset {
    let root = NSTemporaryDirectory() + "/changed-data-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: root) }
    try SyntheticStreets(train: images, val: 1, test: 0, size: Size(32, 32)).write(to: root)
    var options = TrainingOptions()
    options.dataPath = root
    options.batchSize = 2
    options.test = false
    return try TrainingDataset(options, communicator: Communicator.initialize())
  }

  @Test("A run does not go on with an image more or less, but with the same ones in another place")
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
