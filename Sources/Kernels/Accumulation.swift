import Tensors

/// Adding up the gradients of a tensor that several operations read.
package enum Accumulation {
  /// `a += b`, elementwise, in the memory of `a`; both `[N, H, W, C]`.
  package static func addInPlace(_ a: Tensor, _ b: Tensor, on workers: WorkerPool) {
    precondition(a.shape == b.shape)
    let count = a.shape.count
    let block = 32_768
    workers.parallelFor((count + block - 1) / block) { task, _ in
      // The last vector may overhang into the spare floats of both buffers.
      let first = task * block
      microkernels.add(b.start + first, to: a.start + first, count: min(block, count - first))
    }
  }
}
