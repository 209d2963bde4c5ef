/// Converts the weights of a convolution between this program's layout, HWIO `[kernel, kernel, inputs, outputs]`, and
/// PyTorch's, OIHW `[outputs, inputs, kernel, kernel]`.
///
/// With the kernel's positions flattened to taps these are `[taps, inputs, outputs]` and `[outputs, inputs, taps]`.
/// Both transpositions are blocked, so that the cache lines that a block touches on the strided side stay in the cache.
package enum TensorLayout {
  /// Inputs and outputs of a block: 16 floats are a cache line.
  private static let block = 16

  /// Writes `[outputs, inputs, kernel, kernel]` to `target`.
  package static func toPyTorch(
    _ source: UnsafePointer<Float>, kernel: Int, inputs: Int, outputs: Int, to target: UnsafeMutablePointer<Float>
  ) {
    let taps = kernel * kernel
    forEachBlock(inputs: inputs, outputs: outputs) { output, inputRange in
      var place = (output * inputs + inputRange.lowerBound) * taps
      for input in inputRange {
        var from = input * outputs + output
        for _ in 0..<taps {
          target[place] = source[from]
          place += 1
          from += inputs * outputs
        }
      }
    }
  }

  /// Writes `[kernel, kernel, inputs, outputs]` to `target`.
  package static func fromPyTorch(
    _ source: UnsafePointer<Float>, kernel: Int, inputs: Int, outputs: Int, to target: UnsafeMutablePointer<Float>
  ) {
    let taps = kernel * kernel
    forEachBlock(inputs: inputs, outputs: outputs) { output, inputRange in
      var from = (output * inputs + inputRange.lowerBound) * taps
      for input in inputRange {
        var place = input * outputs + output
        for _ in 0..<taps {
          target[place] = source[from]
          from += 1
          place += inputs * outputs
        }
      }
    }
  }

  @inline(__always)
  private static func forEachBlock(inputs: Int, outputs: Int, _ body: (_ output: Int, _ inputs: Range<Int>) -> Void) {
    var firstInput = 0
    while firstInput < inputs {
      let inputRange = firstInput..<min(firstInput + block, inputs)
      // All outputs of these inputs: the cache lines of a block are used again before they are evicted.
      for output in 0..<outputs { body(output, inputRange) }
      firstInput += block
    }
  }
}
