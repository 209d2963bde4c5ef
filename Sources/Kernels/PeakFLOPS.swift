import Microkernels
import System
import Tensors

/// The peak performance of the processor in each precision.
package enum PeakFLOPS {
  /// Floating-point operations per second of all workers; a multiplication and an addition are two. Multiplies matrices
  /// that stay in the L1 cache and takes the best of the runs within 0.3 s: threads that have just started may share a
  /// core until the system spreads them.
  ///
  /// - Parameter precision: of the operands.
  package static func measure(_ precision: Precision = .float32, on workers: WorkerPool) -> Double {
    let (rows, columns, depth, repetitions) = (
      48, 64, precision == .float32 ? 64 : 256, precision == .float32 ? 400 : 100
    )
    let microkernels = workers.microkernels
    let gemm = MatrixProduct(on: workers)
    let packed =
      precision == .float32
      ? microkernels.packedCount(depth: depth, columns: columns)
      : microkernels.roundedCount(depth: depth, columns: columns)
    let workspaceCount = max(gemm.workspaceCount, gemm.roundedWorkspaceCount(depth: depth))
    let workspace = (0..<workers.threads).map { _ in
      Buffer(count: rows * depth + packed + rows * columns + workspaceCount)
    }
    for buffer in workspace { buffer.clear() }
    let seconds = 0.3
    var best = Double.infinity
    let start = Clock.now
    repeat {
      let begin = Clock.now
      workers.parallelFor(workers.threads) { task, _ in
        let a = workspace[task].start
        let b = a + rows * depth
        let c = b + packed
        switch precision {
        case .float32:
          for _ in 0..<repetitions {
            gemm.multiply(
              rows: rows, a, aStride: depth, PackedB(b, depth: depth, columns: columns), into: c, cStride: columns,
              workspace: c + rows * columns)
          }
        case .bfloat16:
          let operand = ElementPointer(UnsafeMutableRawPointer(a), .bfloat16)
          for _ in 0..<repetitions {
            gemm.multiplyRounded(
              rows: rows, columns: 0..<columns, operand, aStride: depth, RoundedB(b, depth: depth, columns: columns),
              into: ElementPointer(c), cStride: columns, workspace: c + rows * columns)
          }
        }
      }
      best = min(best, Clock.now - begin)
    } while Clock.now - start < seconds
    return 2 * Double(workers.threads * repetitions * rows * columns * depth) / best
  }
}
