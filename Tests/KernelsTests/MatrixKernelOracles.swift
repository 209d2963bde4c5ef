import Tensors
import Testing

// Operands and comparisons for the tests of convolutions and of batch norm.

/// Values in [−1, 1), determined by the name; the padding is zero.
func randomTensor(_ name: String, _ shape: Shape) -> Tensor {
  Tensor(shape, dense: randomValues(name, shape.pixels * shape.channels))
}

func randomFilter(_ name: String, kernel: Int, _ inputs: Int, _ outputs: Int) -> Filter {
  let count = kernel * kernel * inputs * outputs
  return Filter(kernel: kernel, inputs: inputs, outputs: outputs, randomFloats(name, count))
}

func randomFloats(_ name: String, _ count: Int) -> FloatSlice { FloatSlice(randomValues(name, count)) }

private func randomValues(_ name: String, _ count: Int) -> [Float] {
  var random = RandomNumbers(named: name)
  return (0..<count).map { _ in Float(random.uniform(in: -1..<1)) }
}

/// A filter in the middle of a buffer of sevens: writing outside of it is detected.
func filterAmidSentinels(like filter: Filter) -> Filter {
  let count = filter.floats.count
  let buffer = Buffer(count: count + 64)
  for i in 0..<buffer.count { buffer.start[i] = 7 }
  let floats = FloatSlice(buffer, offset: 32, count: count)
  return Filter(kernel: filter.kernel, inputs: filter.inputs, outputs: filter.outputs, floats)
}

func expectSentinels(around floats: FloatSlice, sourceLocation: SourceLocation = #_sourceLocation) {
  let untouched = (1...32).allSatisfy { floats.start[-$0] == 7 && floats.start[floats.count + $0 - 1] == 7 }
  #expect(untouched, "floats outside of the filter were written", sourceLocation: sourceLocation)
}

/// Image `index` as a batch of one.
func image(_ index: Int, of tensor: Tensor) -> Tensor { images(index..<index + 1, of: tensor) }

func images(_ range: Range<Int>, of tensor: Tensor) -> Tensor {
  let perImage = tensor.shape.pixelsPerImage * tensor.shape.channels
  var shape = tensor.shape
  shape.images = range.count
  return Tensor(shape, dense: Array(tensor.dense[range.lowerBound * perImage..<range.upperBound * perImage]))
}

func pairwiseSum(_ rows: [[Float]]) -> [Float] {
  var tree = PairwiseSum(count: rows[0].count)
  for row in rows { tree.add(consuming: FloatSlice(row)) }
  return tree.total().values
}

/// Compares with the reference, relative to its largest value: rounding grows with the sums, not with each result.
func expectClose(
  _ values: [Float], _ reference: [Double], within tolerance: Double = 3e-6,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(values.count == reference.count, sourceLocation: sourceLocation)
  let scale = max(reference.reduce(0) { max($0, abs($1)) }, 1)
  // A comparison with NaN is false, so a NaN counts as far; a maximum would lose it.
  let far = zip(values, reference).count { !(abs(Double($0) - $1) <= tolerance * scale) }
  let worst = zip(values, reference).reduce(0) { max($0, abs(Double($1.0) - $1.1)) } / scale
  #expect(far == 0, "\(far) of \(values.count) values differ, by up to \(worst)", sourceLocation: sourceLocation)
}

func expectClose(
  _ tensor: Tensor, _ reference: [Double], within tolerance: Double = 3e-6,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  expectClose(tensor.dense, reference, within: tolerance, sourceLocation: sourceLocation)
  expectZeroPadding(tensor, sourceLocation: sourceLocation)
}

func expectZeroPadding(_ tensor: Tensor, sourceLocation: SourceLocation = #_sourceLocation) {
  let stride = tensor.shape.stride
  let clean = (0..<tensor.shape.pixels).allSatisfy { pixel in
    (tensor.shape.channels..<stride).allSatisfy { tensor.start[pixel * stride + $0] == 0 }
  }
  #expect(clean, "padding is not zero", sourceLocation: sourceLocation)
}
