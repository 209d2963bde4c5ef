import Microkernels
import Tensors

/// Convolution with a 3×3 filter, stride 1, any dilation d, and d pixels of zeros around the image:
///
///     y[n, i, j, k] = Σ_{a, b, c} x[n, i + (a − 1) d, j + (b − 1) d, c] · w[a, b, c, k]
///
/// (an atrous convolution if d > 1), computed with Winograd's minimal filtering algorithms. The algorithm of each axis
/// is chosen by the length of the sub-grids that the dilation produces; see `WinogradAlgorithm` and `WinogradTiles`.
/// The rounding error relative to the largest output is about 1e-5 for F(4, 3) and 2e-5 for F(6, 3). Transforms and
/// products are in single precision whatever that of the tensors: rounded to bfloat16, those of F(4, 3) would be off by
/// ten times as much as a direct product.
package enum SpatialConvolution {
  /// - Parameters:
  ///   - x: `[N, H, W, C]`
  ///   - weight: `[3, 3, C, K]`
  ///   - precision: of the result; that of x, unless given.
  /// - Returns: `[N, H, W, K]`
  package static func forward(
    _ x: Tensor, _ weight: Filter, dilation: Int, epilogue: Epilogue? = nil, precision: Precision? = nil,
    on workers: WorkerPool
  ) -> Tensor {
    precondition(weight.kernel == 3 && x.shape.channels == weight.inputs)
    precondition(epilogue == nil || weight.outputs > 1)
    return convolution(
      x, PaddedTaps(weight, on: workers), outputs: weight.outputs, dilation, epilogue, precision ?? x.precision, workers
    )
  }

  /// The gradient of x for the gradient dy of y: a convolution with the filter rotated by 180°,
  ///
  ///     dx[n, i, j, c] = Σ_{a, b, k} dy[n, i + (a − 1) d, j + (b − 1) d, k] · w[2 − a, 2 − b, c, k]
  package static func inputGradient(
    _ dy: Tensor, _ weight: Filter, dilation: Int, precision: Precision? = nil, on workers: WorkerPool
  ) -> Tensor {
    precondition(weight.kernel == 3 && dy.shape.channels == weight.outputs)
    return convolution(
      dy, PaddedTaps(rotated: weight, on: workers), outputs: weight.inputs, dilation, nil, precision ?? dy.precision,
      workers)
  }

  /// Overwrites `dw` with the gradient of w:
  ///
  ///     dw[a, b, c, k] = Σ_{n, i, j} x[n, i + (a − 1) d, j + (b − 1) d, c] · dy[n, i, j, k]
  ///
  /// The sum over images is a balanced tree.
  package static func weightGradient(
    _ x: Tensor, _ dy: Tensor, dilation: Int, into dw: Filter, on workers: WorkerPool
  ) {
    precondition(dw.kernel == 3 && x.shape.channels == dw.inputs && dy.shape.channels == dw.outputs)
    precondition(x.shape.images == dy.shape.images && x.shape.size == dy.shape.size)
    let (x, dy) = (wholeVectors(x), wholeVectors(dy))
    let groups = WinogradTiles.groups(of: x.shape.size, dilation: dilation, on: workers)
    var sum = PairwiseSum(count: dw.floats.count)
    for image in 0..<x.shape.images {
      let summand = image == 0 ? dw : Filter(like: dw)
      for (index, tiles) in groups.enumerated() {
        WinogradWeightGradient.add(x, dy, image: image, tiles, to: summand, adding: index > 0, on: workers)
      }
      sum.add(consuming: summand.floats)
    }
    let total = sum.total()
    if total.start != dw.start { dw.start.update(from: total.start, count: total.count) }
  }

  private static func convolution(
    _ x: Tensor, _ taps: PaddedTaps, outputs: Int, _ dilation: Int, _ epilogue: Epilogue?, _ precision: Precision,
    _ workers: WorkerPool
  ) -> Tensor {
    precondition(dilation >= 1)
    let x = wholeVectors(x)
    // A single channel is computed with seven channels of padding, because kernels write whole vectors.
    let y = Tensor(x.shape.with(channels: outputs == 1 ? 8 : outputs), outputs == 1 ? .float32 : precision)
    for tiles in WinogradTiles.groups(of: x.shape.size, dilation: dilation, on: workers) {
      let filter = WinogradFilter(taps, for: tiles, on: workers)
      WinogradConvolution.forward(x, filter, tiles, into: y, epilogue, on: workers)
    }
    guard outputs == 1 else { return y }
    let plane = Tensor(x.shape.with(channels: 1))
    for pixel in 0..<plane.shape.pixels { plane.start[pixel] = y.start[8 * pixel] }
    return plane
  }

  /// The tensor itself; a single channel is padded with seven channels of zeros.
  private static func wholeVectors(_ x: Tensor) -> Tensor {
    guard x.shape.channels == 1 else { return x }
    let wide = Tensor.zeros(x.shape.with(channels: 8))
    for pixel in 0..<x.shape.pixels { wide.start[8 * pixel] = x.start[pixel] }
    return wide
  }
}
