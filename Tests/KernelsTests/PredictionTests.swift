import Kernels
import Tensors
import Testing

@Suite("Prediction")
struct PredictionTests {
  @Test("Predicts the class with the largest logit; the first of several", arguments: [2, 7, 8, 9, 16, 19, 256])
  func firstOfTheLargest(classes: Int) {
    let shape = Shape(3, 17, 29, classes)
    // Five different values, so that most pixels have several maxima.
    let logits = Tensor(shape, dense: randomTensor("logits", shape).dense.map { ($0 * 2.5).rounded() })
    let dense = logits.dense
    let expected = (0..<shape.pixels).map { pixel -> UInt8 in
      let values = dense[(pixel * classes)..<((pixel + 1) * classes)]
      return UInt8(values.firstIndex(of: values.max() ?? 0).map { $0 - pixel * classes } ?? 0)
    }
    for threads in 1...3 { #expect(Prediction.argmax(logits, on: WorkerPool(threads: threads)) == expected) }
  }

  @Test("Padding is never predicted, and every result is a class")
  func ends() {
    let workers = WorkerPool(threads: 1)
    func classOf(_ values: [Float]) -> [UInt8] {
      Prediction.argmax(Tensor(Shape(1, 1, 1, values.count), dense: values), on: workers)
    }
    #expect(classOf([-5, -3, -4]) == [1])
    #expect(classOf([Float](repeating: -.infinity, count: 19)) == [0])
    #expect(classOf([Float](repeating: .nan, count: 19)) == [0])
    #expect(classOf([-.infinity, .infinity, 3]) == [1])
  }
}
