import Foundation

extension ONNXInterpreter {
  /// A convolution as a sum of shifted planes.
  struct ConvolutionLoop {
    private let name: String
    private let kernel: Int
    private let padding: Int
    private let stride: Int
    private let dilation: Int

    init(_ node: ONNXFile.Node) throws {
      func same(_ name: String, _ count: Int) throws -> Int {
        guard let list = node.lists[name], list.count == count, list.allSatisfy({ $0 == list[0] }) else {
          throw Failure("\(node.name): \(name)")
        }
        return list[0]
      }
      guard node.integers.isEmpty, node.texts.isEmpty, node.lists.count == 4 else {
        throw Failure("\(node.name): an unknown attribute")
      }
      name = node.name
      kernel = try same("kernel_shape", 2)
      padding = try same("pads", 4)
      stride = try same("strides", 2)
      dilation = try same("dilations", 2)
    }

    func run(_ x: NDArray, weight: NDArray, bias: [Float]?) throws -> NDArray {
      let (images, inputs, outputs) = (x.shape[0], x.shape[1], weight.shape[0])
      guard weight.shape == [outputs, inputs, kernel, kernel], bias?.count ?? outputs == outputs else {
        throw Failure("\(name): \(weight.shape) for \(x.shape)")
      }
      // A 1×1 convolution sees the rows of a plane as one row.
      let isFlat = kernel == 1 && stride == 1 && padding == 0
      let (height, width) = isFlat ? (1, x.shape[2] * x.shape[3]) : (x.shape[2], x.shape[3])
      let (rows, columns) = (side(height), side(width))
      let taps = (0..<kernel * kernel).map { tap in
        let (row, column) = tap.quotientAndRemainder(dividingBy: kernel)
        return Tap(rows: reach(of: row, in: height), columns: reach(of: column, in: width))
      }
      var result = [Float](repeating: 0, count: images * outputs * rows * columns)
      result.withUnsafeMutableBufferPointer { result in
        x.values.withUnsafeBufferPointer { x in
          nonisolated(unsafe) let result = result
          nonisolated(unsafe) let x = x
          DispatchQueue.concurrentPerform(iterations: images * outputs) { plane in
            let (image, output) = plane.quotientAndRemainder(dividingBy: outputs)
            let target = UnsafeMutableBufferPointer(
              rebasing: result[plane * rows * columns..<(plane + 1) * rows * columns])
            target.update(repeating: bias?[output] ?? 0)
            for input in 0..<inputs {
              let source = (image * inputs + input) * height * width
              for (index, tap) in taps.enumerated() {
                let factor = weight.values[(output * inputs + input) * taps.count + index]
                for y in tap.rows.range {
                  let (to, from) = (y * columns, source + (stride * y + tap.rows.shift) * width + tap.columns.shift)
                  for column in tap.columns.range { target[to + column] += factor * x[from + stride * column] }
                }
              }
            }
          }
        }
      }
      return NDArray([images, outputs] + (isFlat ? Array(x.shape[2...]) : [rows, columns]), result)
    }

    private func side(_ size: Int) -> Int { (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1 }

    /// For a row or column of the kernel: the output positions p that read a position inside, which is stride · p + shift.
    private func reach(of index: Int, in size: Int) -> (range: Range<Int>, shift: Int) {
      let shift = index * dilation - padding
      let inside = (0..<side(size)).filter { (0..<size).contains(stride * $0 + shift) }
      return (inside.first.map { $0..<$0 + inside.count } ?? 0..<0, shift)
    }

    private struct Tap {
      let rows: (range: Range<Int>, shift: Int)
      let columns: (range: Range<Int>, shift: Int)
    }
  }
}
