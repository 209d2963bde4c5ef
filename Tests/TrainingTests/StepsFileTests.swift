import Testing
import Training

@Suite("Steps file")
struct StepsFileTests {
  @Test("A resumed run keeps complete lines up to the checkpoint, and removes later and truncated ones")
  func keptLines() {
    let position = Position(epoch: 1, step: 10)
    #expect(StepsFile.isDone("1,20,1.5,1,0.02,0.1,0.01,3.5", at: position))
    #expect(StepsFile.isDone("2,10,1.5,1,0.02,0.1,0.01,3.5", at: position))
    #expect(!StepsFile.isDone("2,11,1.5,1,0.02,0.1,0.01,3.5", at: position))
    #expect(!StepsFile.isDone("2,1", at: position))
  }
}
