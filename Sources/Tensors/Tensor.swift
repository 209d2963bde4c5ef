import Glibc

/// A batch of feature maps in single precision, `[N, H, W, C]` with the channels of a pixel side by side.
///
/// A tensor is a handle: copies share the memory, which goes back to the pool with the last of them. A kernel writes
/// a tensor once, when it makes it; after that everybody only reads it.
package struct Tensor: Sendable {
  package let shape: Shape
  package let buffer: Buffer

  /// A tensor with arbitrary contents: whoever makes it fills it, the padding of `Shape.stride` included.
  package init(_ shape: Shape) {
    self.shape = shape
    buffer = Buffer(count: shape.count)
  }

  /// A tensor of zeros.
  package static func zeros(_ shape: Shape) -> Tensor {
    let tensor = Tensor(shape)
    tensor.buffer.clear()
    return tensor
  }

  /// The first channel of the first pixel.
  package var start: UnsafeMutablePointer<Float> { buffer.start }

  /// The first float of image `index`.
  package func image(_ index: Int) -> UnsafeMutablePointer<Float> {
    buffer.start + index * shape.pixelsPerImage * shape.stride
  }
}

extension Tensor {
  /// A tensor from dense values in the order `[N, H, W, C]`.
  package init(_ shape: Shape, dense values: [Float]) {
    precondition(values.count == shape.pixels * shape.channels)
    self = .zeros(shape)
    for pixel in 0..<shape.pixels {
      for channel in 0..<shape.channels {
        start[pixel * shape.stride + channel] = values[pixel * shape.channels + channel]
      }
    }
  }

  /// The values in the order `[N, H, W, C]` without padding.
  package var dense: [Float] {
    var values = [Float]()
    values.reserveCapacity(shape.pixels * shape.channels)
    for pixel in 0..<shape.pixels {
      for channel in 0..<shape.channels { values.append(start[pixel * shape.stride + channel]) }
    }
    return values
  }

  /// One value, for tests and messages.
  package subscript(image: Int, row: Int, column: Int, channel: Int) -> Float {
    start[((image * shape.height + row) * shape.width + column) * shape.stride + channel]
  }
}

/// A dense run of floats inside a buffer: a bias, the scale of a batch norm, its running statistics.
package struct FloatSlice: Sendable {
  package let buffer: Buffer
  package let offset: Int
  package let count: Int

  /// - Parameter offset: where the run begins in `buffer`, in floats.
  package init(_ buffer: Buffer, offset: Int = 0, count: Int) {
    precondition(offset >= 0 && offset + count <= buffer.count)
    self.buffer = buffer
    self.offset = offset
    self.count = count
  }

  /// A run of its own, with arbitrary contents.
  package init(count: Int) { self.init(Buffer(count: count), count: count) }

  /// A run of its own with these contents.
  package init(_ values: [Float]) {
    self.init(count: values.count)
    for (index, value) in values.enumerated() { start[index] = value }
  }

  package var start: UnsafeMutablePointer<Float> { buffer.start + offset }

  package var values: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }

  /// Takes over the values of another run of the same length.
  package func copy(_ other: FloatSlice) {
    precondition(other.count == count)
    start.update(from: other.start, count: count)
  }

  package subscript(index: Int) -> Float {
    get { start[index] }
    nonmutating set { start[index] = newValue }
  }
}

/// The weights of a convolution, dense, in the order `[kernel, kernel, inputs, outputs]` (PyTorch's is
/// `[outputs, inputs, kernel, kernel]`; `Weights` translates).
package struct Filter: Sendable {
  package let kernel: Int
  package let inputs: Int
  package let outputs: Int
  package let floats: FloatSlice

  package init(kernel: Int, inputs: Int, outputs: Int, _ floats: FloatSlice) {
    precondition(floats.count == kernel * kernel * inputs * outputs)
    self.kernel = kernel
    self.inputs = inputs
    self.outputs = outputs
    self.floats = floats
  }

  /// A filter of its own, with arbitrary contents: a gradient to be filled.
  package init(like other: Filter) {
    self.init(
      kernel: other.kernel, inputs: other.inputs, outputs: other.outputs, FloatSlice(count: other.floats.count))
  }

  package var start: UnsafeMutablePointer<Float> { floats.start }

  /// The `[inputs, outputs]` matrix of one tap.
  package func tap(_ row: Int, _ column: Int) -> UnsafeMutablePointer<Float> {
    start + (row * kernel + column) * inputs * outputs
  }
}
