import Tensors
import Testing

// Shared by the tests of operations without parameters.

/// Runs an operation and checks what every kernel promises: the same bits for any number of threads, the same bits for
/// an image alone as in its batch, and zeros in the padding even if the memory was full of NaN.
///
/// - Parameter inputs: tensors with the same number of images.
func expectReproducible(
  _ inputs: [Tensor], sourceLocation: SourceLocation = #_sourceLocation,
  _ operation: ([Tensor], WorkerPool) -> [Tensor]
) {
  func run(_ inputs: [Tensor], threads: Int) -> [Tensor] {
    poisonMemory(upTo: 8 * inputs.map(\.shape.count).reduce(0, +))
    return operation(inputs, WorkerPool.underTest(threads: threads))
  }
  let results = run(inputs, threads: 1)
  for result in results { expectZeroPadding(result, sourceLocation: sourceLocation) }
  for threads in 2...3 {
    let same = zip(results, run(inputs, threads: threads)).allSatisfy { bits($0) == bits($1) }
    #expect(same, "\(threads) threads give other bits than one", sourceLocation: sourceLocation)
  }
  for index in 0..<inputs[0].shape.images {
    let alone = run(inputs.map { image(index, of: $0) }, threads: 2)
    let same = zip(results, alone).allSatisfy { bits(image(index, of: $0)) == bits($1) }
    #expect(same, "image \(index) of the batch differs from the same image alone", sourceLocation: sourceLocation)
  }
}

/// The bits of every float of a tensor, the padding included.
func bits(_ tensor: Tensor) -> [UInt32] {
  UnsafeBufferPointer(start: tensor.start, count: tensor.shape.count).map(\.bitPattern)
}

/// Fills free memory of every size in the pool with NaN, so that a float that a kernel fails to write is noticed.
private func poisonMemory(upTo count: Int) {
  var size = 64
  while size <= max(count, 4096) {
    let buffers = (0..<3).map { _ in Buffer(count: size) }
    for buffer in buffers { buffer.start.update(repeating: .nan, count: size + 16) }
    size += max(64, size / 8)
  }
}

/// Σ a · b in double precision.
func innerProduct(_ a: Tensor, _ b: Tensor) -> Double {
  zip(a.dense, b.dense).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

/// A linear operation and its gradient are adjoint: ⟨dy, A x⟩ = ⟨Aᵀ dy, x⟩.
func expectAdjoint(
  x: Tensor, y: Tensor, dy: Tensor, dx: Tensor, within tolerance: Double = 1e-5,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(y.shape == dy.shape && x.shape == dx.shape, sourceLocation: sourceLocation)
  let forward = innerProduct(y, dy)
  let backward = innerProduct(x, dx)
  let size = zip(y.dense, dy.dense).reduce(1) { $0 + abs(Double($1.0 * $1.1)) }
  #expect(
    abs(forward - backward) <= tolerance * size, "\(forward) forward, \(backward) backward",
    sourceLocation: sourceLocation)
}

/// Values that are exact in single precision; the expected values from PyTorch were computed from them.
func steps(_ shape: Shape, by step: Int = 7919) -> Tensor {
  Tensor(shape, dense: (0..<shape.pixels * shape.channels).map { Float($0 * step % 101 - 50) / 32 })
}
