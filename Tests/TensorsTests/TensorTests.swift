import Tensors
import Testing

@Suite("Tensors")
struct TensorTests {
  @Test(
    "Channels are padded to whole vectors, except a single channel",
    arguments: [(1, 1), (2, 8), (8, 8), (9, 16), (33, 40), (2048, 2048)])
  func strides(channels: Int, stride: Int) {
    #expect(Shape(2, 3, 4, channels).stride == stride)
    #expect(Shape(2, 3, 4, channels).count == 24 * stride)
  }

  @Test("Dense values round-trip, and the padding is zero", arguments: [1, 3, 8, 17])
  func denseValues(channels: Int) {
    let shape = Shape(2, 3, 4, channels)
    let values = (0..<24 * channels).map { Float($0 + 1) }
    do {
      // Leaves freed memory full of sevens, which the tensor is likely to reuse.
      let sevens = Tensor(shape)
      for i in 0..<shape.count { sevens.start[i] = 7 }
    }
    let tensor = Tensor(shape, dense: values)
    #expect(tensor.dense == values)
    #expect(tensor[1, 2, 3, channels - 1] == Float(24 * channels))
    #expect(tensor.image(1)[0] == Float(12 * channels + 1))
    let sum = (0..<shape.count).reduce(Float(0)) { $0 + tensor.start[$1] }
    #expect(sum == values.reduce(0, +))
  }

  @Test("The taps of a filter are contiguous")
  func taps() {
    let filter = Filter(kernel: 3, inputs: 2, outputs: 5, FloatSlice((0..<90).map { Float($0) }))
    #expect(filter.tap(0, 0)[0] == 0 && filter.tap(1, 0)[9] == 39 && filter.tap(2, 2)[0] == 80)
  }

  @Test("Slices share their buffer")
  func slices() {
    let buffer = Buffer(count: 20)
    buffer.clear()
    let slice = FloatSlice(buffer, offset: 5, count: 3)
    slice[2] = 4
    #expect(buffer.start[7] == 4 && slice.values == [0, 0, 4])
    slice.copy(from: FloatSlice([1, 2, 3]))
    #expect(buffer.start[4] == 0 && buffer.start[5] == 1 && buffer.start[8] == 0)
  }
}
