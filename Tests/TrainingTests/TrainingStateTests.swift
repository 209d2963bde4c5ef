import Foundation
import Testing
import Training

@Suite("Training state")
struct TrainingStateTests {
  /// A state.json of the first version: `picturesPerSecond`, augmentation `seed`.
  @Test("A checkpoint of an earlier version is read, and its augmentation is the random one")
  func earlierVersion() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/state-0.1.json")
    let state = try TrainingState(encoded: [UInt8](Data(contentsOf: file)))
    #expect(state.position == Position(epoch: 1, step: 2) && state.totalSteps == 6)
    #expect(state.dataDigest == 1_542_868_795_603_796_241)
    #expect(state.epochs.map(\.imagesPerSecond) == [3.2291449812762756])
    #expect(state.epochs.first?.loading?.decoded == 16)
    #expect(state.running.steps == 2)
    #expect(state.options.augmentation == .random && state.options.validators == .rank0)
    #expect(state.options.test == .never, "the option was a flag")
    try state.requireSameTraining(as: state.options)
    #expect(try TrainingState(encoded: state.encoded()) == state)
  }
}
