import Microkernels
import Tensors

/// The 1×1 convolution: one matrix product over all pixels, `Z[P, K] = X[P, C] · W[C, K] + b`.
///
///     dX = dZ · Wᵀ        dW = Xᵀ · dZ        db = Σ over pixels of dZ
///
/// If X or Z has a single channel, the product degenerates to dot or outer products; see `SingleChannelConvolution`.
package enum PointwiseConvolution {
  /// - Parameters:
  ///   - x: `[N, H, W, C]`
  ///   - weight: `[1, 1, C, K]`
  ///   - bias: K numbers.
  ///   - precision: of the product and the result; that of x, unless given.
  /// - Returns: `[N, H, W, K]`
  package static func forward(
    _ x: Tensor, _ weight: Filter, bias: FloatSlice? = nil, precision: Precision? = nil, on workers: WorkerPool
  ) -> Tensor {
    check(weight)
    precondition(bias.map { $0.count == weight.outputs } ?? true)
    guard weight.inputs > 1, weight.outputs > 1 else {
      let z = Tensor(x.shape.with(channels: weight.outputs), precision ?? x.precision)
      if weight.outputs == 1 {
        SingleChannelConvolution.dot(x, weight.floats, plus: bias?[0] ?? 0, into: z, on: workers)
      } else {
        SingleChannelConvolution.outer(x, weight.floats, plus: bias, into: z, on: workers)
      }
      return z
    }
    return forward(x, weight, epilogue: Epilogue(bias: bias), precision: precision, on: workers)
  }

  /// The same with an epilogue; C and K are more than 1.
  package static func forward(
    _ x: Tensor, _ weight: Filter, epilogue: Epilogue?, precision: Precision? = nil, on workers: WorkerPool
  ) -> Tensor {
    check(weight)
    precondition(x.shape.channels == weight.inputs && weight.inputs > 1 && weight.outputs > 1)
    let x = Conversion.convert(x, to: precision ?? x.precision, on: workers)
    let z = Tensor(x.shape.with(channels: weight.outputs), x.precision)
    multiply(
      x, depth: weight.inputs, columns: weight.outputs, weight.start, rowStride: weight.outputs, columnStride: 1,
      epilogue: epilogue, into: z, on: workers)
    return z
  }

  /// The gradient of `x`, `dX = dZ · Wᵀ`, in the given precision; in that of dZ, unless given.
  package static func inputGradient(
    _ dz: Tensor, _ weight: Filter, precision: Precision? = nil, on workers: WorkerPool
  ) -> Tensor {
    check(weight)
    precondition(dz.shape.channels == weight.outputs)
    let dx = Tensor(dz.shape.with(channels: weight.inputs), precision ?? dz.precision)
    if weight.inputs == 1 {
      SingleChannelConvolution.dot(dz, weight.floats, plus: 0, into: dx, on: workers)
    } else if weight.outputs == 1 {
      SingleChannelConvolution.outer(dz, weight.floats, plus: nil, into: dx, on: workers)
    } else {
      multiply(
        dz, depth: weight.outputs, columns: weight.inputs, weight.start, rowStride: 1, columnStride: weight.outputs,
        epilogue: nil, into: dx, on: workers)
    }
    return dx
  }

  /// Overwrites `dw` with the gradient of the weights, `dW = Xᵀ · dZ`.
  package static func weightGradient(_ x: Tensor, _ dz: Tensor, into dw: Filter, on workers: WorkerPool) {
    check(dw)
    precondition(x.shape.channels == dw.inputs && dz.shape == x.shape.with(channels: dw.outputs))
    if dw.outputs == 1 {
      SingleChannelConvolution.weightedSum(of: x, by: dz, into: dw.floats, on: workers)
    } else if dw.inputs == 1 {
      SingleChannelConvolution.weightedSum(of: dz, by: x, into: dw.floats, on: workers)
    } else if dz.precision == .float32, StrassenWeightGradient.isProfitable(x, dz) {
      StrassenWeightGradient.compute(x, dz, into: dw, on: workers)
    } else {
      let x = dz.precision == .bfloat16 ? Conversion.convert(x, to: .bfloat16, on: workers) : x
      let stride = x.shape.stride
      let gemm = MatrixProduct(on: workers)
      WeightGradient.compute(
        columns: stride, dz, into: dw.start, on: workers, row: { $0 < dw.inputs ? $0 : nil },
        packLeft: { image, rows, columns, capacity, target in
          gemm.packLeft(
            rows: rows.count, columns: columns.count,
            from: x.elements(image: image) + (rows.lowerBound * stride + columns.lowerBound), rowStride: stride,
            capacity: capacity, into: target)
        })
    }
  }

  /// Overwrites `db` with the gradient of the bias: each channel of dZ summed over all pixels.
  ///
  /// The sum of an image is rounded once; the images are added in single precision, as the gradients of ranks are.
  package static func biasGradient(_ dz: Tensor, into db: FloatSlice, on workers: WorkerPool) {
    precondition(dz.shape.channels == db.count)
    ChannelSums.joined(ChannelSums.ofValues(dz, on: workers), into: db)
  }

  private static func check(_ weight: Filter) {
    precondition(weight.kernel == 1)
    precondition(weight.inputs > 1 || weight.outputs > 1, "a 1×1 convolution of one channel to one is not supported")
  }

  /// `C = A · B` over all pixels; both tensors have more than one channel and the same precision, that of the product.
  private static func multiply(
    _ a: Tensor, depth: Int, columns: Int, _ b: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
    epilogue: Epilogue?, into c: Tensor, on workers: WorkerPool
  ) {
    precondition(a.precision == c.precision)
    if a.precision == .bfloat16 {
      let panels = RoundedBStorage(
        depth: depth, columns: columns, from: b, rowStride: rowStride, columnStride: columnStride, on: workers)
      let gemm = MatrixProduct(on: workers)
      forEachBlock(a, c, workspace: gemm.roundedWorkspaceCount(depth: depth), on: workers) {
        rows, columns, source, target, workspace in
        gemm.multiplyRounded(
          rows: rows, columns: columns, a.elements + source, aStride: a.shape.stride, panels.matrix,
          into: c.elements + target, cStride: c.shape.stride,
          epilogue: epilogue?.pointers(at: target, channel: columns.lowerBound), workspace: workspace)
      }
      return
    }
    if StrassenProduct.isProfitable(rows: a.shape.pixelsPerImage, depth: depth, columns: columns) {
      let product = StrassenProduct(
        depth: depth, columns: columns, from: b, rowStride: rowStride, columnStride: columnStride, on: workers)
      product.multiply(a, into: c, epilogue: epilogue, on: workers)
      return
    }
    let panels = PackedBStorage(
      depth: depth, columns: columns, from: b, rowStride: rowStride, columnStride: columnStride, on: workers)
    let gemm = MatrixProduct(on: workers)
    forEachBlock(a, c, workspace: gemm.workspaceCount, on: workers) { rows, columns, source, target, workspace in
      gemm.multiply(
        rows: rows, columns: columns, a.start + source, aStride: a.shape.stride, panels.matrix, into: c.start + target,
        cStride: c.shape.stride, epilogue: epilogue?.pointers(at: target, channel: columns.lowerBound),
        workspace: workspace)
    }
  }

  /// Splits a product into tasks, blocks of rows and columns of C.
  ///
  /// - Parameters:
  ///   - workspaceCount: floats of workspace of a task.
  ///   - body: multiplies a block that begins at number `source` of A and number `target` of C.
  private static func forEachBlock(
    _ a: Tensor, _ c: Tensor, workspace workspaceCount: Int, on workers: WorkerPool,
    _ body: (
      _ rows: Int, _ columns: Range<Int>, _ source: Int, _ target: Int, _ workspace: UnsafeMutablePointer<Float>
    ) -> Void
  ) {
    let gemm = MatrixProduct(on: workers)
    let rows = gemm.imagesPerCall(a.shape.images) * a.shape.pixelsPerImage
    let columns = c.shape.stride
    let rowBlocks = rows.dividedRoundingUp(by: MatrixProduct.rowBlock)
    // With few pixels, columns are split into tasks as well.
    let wantedTasks = 16
    let grain = PackedBStorage.grain
    let columnBlock = max(2 * grain, (columns * rowBlocks / wantedTasks).roundedUp(toMultipleOf: grain))
    let columnBlocks = rowBlocks >= wantedTasks ? 1 : columns.dividedRoundingUp(by: columnBlock)
    let width = columnBlocks == 1 ? columns : columnBlock

    let workspace = Buffer(count: workers.threads * workspaceCount)
    workers.parallelFor(a.shape.pixels / rows * rowBlocks * columnBlocks) { task, worker in
      let (product, block) = (task / columnBlocks).quotientAndRemainder(dividingBy: rowBlocks)
      let firstRow = product * rows + block * MatrixProduct.rowBlock
      let firstColumn = task % columnBlocks * width
      body(
        min(MatrixProduct.rowBlock, (product + 1) * rows - firstRow), firstColumn..<min(columns, firstColumn + width),
        firstRow * a.shape.stride, firstRow * columns + firstColumn, workspace.start + worker * workspaceCount)
    }
  }
}
