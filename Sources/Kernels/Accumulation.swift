import Tensors

/// Adding up the gradients of a tensor that several operations read.
package enum Accumulation {
  /// `a += b`, elementwise, in the memory of `a`; both `[N, H, W, C]`.
  package static func addInPlace(_ a: Tensor, _ b: Tensor, on workers: WorkerPool) {
    precondition(a.shape == b.shape)
    let count = a.shape.count
    let block = 32_768
    workers.run((count + block - 1) / block) { task, _ in
      let (sum, summand) = (a.start, b.start)
      // The last vector may overhang into the spare floats of both buffers.
      for i in stride(from: task * block, to: min(count, (task + 1) * block), by: 8) {
        sum.store(sum.vector(i) + summand.vector(i), i)
      }
    }
  }
}
