import Testing
import Training

@Suite("Steps file")
struct StepsFileTests {
  @Test("A resumed run keeps complete lines up to the checkpoint, and removes later and truncated ones")
  func keptLines() {
    let columns = ["epoch", "step", "loss", "semantic", "edge", "task", "learning_rate", "images_per_second"]
    let position = Position(epoch: 1, step: 10)
    #expect(StepsFile.isDone("1,20,1.5,1,0.02,0.1,0.01,3.5", of: columns, at: position))
    #expect(StepsFile.isDone("2,10,1.5,1,0.02,0.1,0.01,3.5", of: columns, at: position))
    #expect(!StepsFile.isDone("2,11,1.5,1,0.02,0.1,0.01,3.5", of: columns, at: position))
    #expect(!StepsFile.isDone("2,1", of: columns, at: position))
  }
}
