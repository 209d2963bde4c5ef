import Glibc
import Microkernels

/// A batch of feature maps, `[N, H, W, C]` with contiguous channels.
///
/// A tensor of one channel is always in single precision: it is a probability, an attention or a score, and small.
///
/// A tensor is a handle: copies share one buffer, which is freed with the last of them. Whoever creates a tensor fills
/// it; from then on its users only read it. One exception: the last user may overwrite the tensor in place. Kernels
/// that do so say it (`inPlace`, `addInPlace`, "overwrites"); the caller must make sure that the old value is no
/// longer needed.
package struct Tensor: Sendable {
  package let shape: Shape
  package let precision: Precision
  package let buffer: Buffer

  /// An uninitialized tensor; the creator fills it, including the padding of `Shape.stride`.
  ///
  /// - Parameter precision: of a tensor with more than one channel.
  package init(_ shape: Shape, _ precision: Precision = .float32) {
    self.shape = shape
    self.precision = shape.channels == 1 ? .float32 : precision
    let floatSize = Precision.float32.size
    buffer = Buffer(count: (shape.count * self.precision.size + floatSize - 1) / floatSize)
  }

  /// A tensor of zeros.
  package static func zeros(_ shape: Shape, _ precision: Precision = .float32) -> Tensor {
    let tensor = Tensor(shape, precision)
    tensor.buffer.clear()
    return tensor
  }

  /// The first channel of the first pixel of the first image of a tensor in single precision.
  package var start: UnsafeMutablePointer<Float> {
    precondition(precision == .float32)
    return buffer.start
  }

  /// The first float of image `index` of a tensor in single precision.
  package func image(_ index: Int) -> UnsafeMutablePointer<Float> {
    start + index * shape.pixelsPerImage * shape.stride
  }

  /// The first channel of the first pixel of the first image, in either precision.
  package var elements: ElementPointer { ElementPointer(UnsafeMutableRawPointer(buffer.start), precision) }

  /// The first number of image `index`, in either precision.
  package func elements(image index: Int) -> ElementPointer {
    elements + index * shape.pixelsPerImage * shape.stride
  }

  /// Bytes of all numbers, padding included.
  package var bytes: Int { shape.count * precision.size }
}

extension Tensor {
  /// A tensor from dense values, `[N, H, W, C]` without padding, rounded to the precision.
  package init(_ shape: Shape, dense values: [Float], _ precision: Precision = .float32) {
    precondition(values.count == shape.pixels * shape.channels)
    self = .zeros(shape, precision)
    let elements = elements
    for pixel in 0..<shape.pixels {
      for channel in 0..<shape.channels {
        elements.write(values[pixel * shape.channels + channel], pixel * shape.stride + channel)
      }
    }
  }

  /// The dense values, `[N, H, W, C]` without padding.
  package var dense: [Float] {
    var values = [Float]()
    values.reserveCapacity(shape.pixels * shape.channels)
    let elements = elements
    for pixel in 0..<shape.pixels {
      for channel in 0..<shape.channels { values.append(elements.read(pixel * shape.stride + channel)) }
    }
    return values
  }

  /// One value; for tests.
  package subscript(image: Int, row: Int, column: Int, channel: Int) -> Float {
    elements.read(((image * shape.height + row) * shape.width + column) * shape.stride + channel)
  }
}

/// A contiguous slice of a buffer: a bias, the scale of a batch norm, its running statistics.
///
/// Copies share the buffer, as with `Tensor`.
package struct FloatSlice: Sendable {
  package let buffer: Buffer
  package let offset: Int
  package let count: Int

  /// - Parameter offset: index of the first float in `buffer`.
  package init(_ buffer: Buffer, offset: Int = 0, count: Int) {
    precondition(offset >= 0 && offset + count <= buffer.count)
    self.buffer = buffer
    self.offset = offset
    self.count = count
  }

  /// A slice over a new, uninitialized buffer.
  package init(count: Int) { self.init(Buffer(count: count), count: count) }

  /// A slice over a new buffer with these values.
  package init(_ values: [Float]) {
    self.init(count: values.count)
    for (index, value) in values.enumerated() { start[index] = value }
  }

  package var start: UnsafeMutablePointer<Float> { buffer.start + offset }

  package var values: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }

  /// Copies the values of another slice of the same length into this one.
  package func copy(from other: FloatSlice) {
    precondition(other.count == count)
    start.update(from: other.start, count: count)
  }

  package subscript(index: Int) -> Float {
    get { start[index] }
    nonmutating set { start[index] = newValue }
  }
}

/// The weights of a convolution, dense, `[kernel, kernel, inputs, outputs]` (HWIO). PyTorch's order is OIHW,
/// `[outputs, inputs, kernel, kernel]`; `Weights` converts.
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

  /// A filter of the same shape over a new, uninitialized buffer.
  package init(like other: Filter) {
    self.init(
      kernel: other.kernel, inputs: other.inputs, outputs: other.outputs, FloatSlice(count: other.floats.count))
  }

  package var start: UnsafeMutablePointer<Float> { floats.start }

  /// The `[inputs, outputs]` matrix of one tap of the kernel.
  package func tap(_ row: Int, _ column: Int) -> UnsafeMutablePointer<Float> {
    start + (row * kernel + column) * inputs * outputs
  }
}
