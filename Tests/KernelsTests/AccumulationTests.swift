import Kernels
import Tensors
import Testing

@Suite("Accumulation", .everyInstructionSet)
struct AccumulationTests {
  @Test("Accumulates a gradient and keeps the padding zero")
  func accumulates() {
    let (a, b) = (randomTensor("a", Shape(2, 61, 67, 9)), randomTensor("b", Shape(2, 61, 67, 9)))
    let expected = zip(a.dense, b.dense).map { $0 + $1 }
    Accumulation.addInPlace(a, b, on: WorkerPool.underTest(threads: 2))
    #expect(a.dense == expected)
    expectZeroPadding(a)
  }
}
