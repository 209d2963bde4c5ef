import Testing
import Training

@Suite("Lines of steps that a resumed run keeps")
struct StepsFileLinesTests {
  @Test("Whole lines up to the checkpoint stay; later ones and one that was cut short go")
  func keptLines() {
    let position = Position(epoch: 1, step: 10)
    #expect(StepsFile.isBehind(position, "1,20,1.5,1,0.02,0.1,0.01,3.5"))
    #expect(StepsFile.isBehind(position, "2,10,1.5,1,0.02,0.1,0.01,3.5"))
    #expect(!StepsFile.isBehind(position, "2,11,1.5,1,0.02,0.1,0.01,3.5"))
    #expect(!StepsFile.isBehind(position, "2,1"))
  }
}
