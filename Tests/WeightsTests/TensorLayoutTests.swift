import Testing
import Weights

@Suite("Filter layouts")
struct TensorLayoutTests {
  private func toPyTorch(_ values: [Float], _ kernel: Int, _ inputs: Int, _ outputs: Int) -> [Float] {
    var target = [Float](repeating: -1, count: values.count)
    TensorLayout.toPyTorch(values, kernel: kernel, inputs: inputs, outputs: outputs, to: &target)
    return target
  }

  @Test("A filter of two inputs and three outputs is transposed to PyTorch's layout")
  func example() {
    // [1, 1, 2, 3]: rows are inputs, columns outputs.
    #expect(toPyTorch([1, 2, 3, 4, 5, 6], 1, 2, 3) == [1, 4, 2, 5, 3, 6])
    // [2, 2, 1, 2]: four taps, each with one number for output 0 and one for output 1.
    #expect(toPyTorch([1, 10, 2, 20, 3, 30, 4, 40], 2, 1, 2) == [1, 2, 3, 4, 10, 20, 30, 40])
  }

  @Test(
    "Every element keeps its four indices, in both directions",
    arguments: [(1, 1, 1), (1, 33, 17), (3, 1, 5), (3, 16, 16), (3, 19, 35), (3, 40, 1), (5, 7, 9)])
  func everyIndex(kernel: Int, inputs: Int, outputs: Int) {
    let ours = (0..<kernel * kernel * inputs * outputs).map(Float.init)
    let theirs = toPyTorch(ours, kernel, inputs, outputs)
    for output in 0..<outputs {
      for input in 0..<inputs {
        for row in 0..<kernel {
          for column in 0..<kernel {
            #expect(
              theirs[((output * inputs + input) * kernel + row) * kernel + column]
                == ours[((row * kernel + column) * inputs + input) * outputs + output])
          }
        }
      }
    }
    var back = [Float](repeating: -1, count: ours.count)
    TensorLayout.fromPyTorch(theirs, kernel: kernel, inputs: inputs, outputs: outputs, to: &back)
    #expect(back == ours)
  }
}
