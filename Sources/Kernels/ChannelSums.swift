import Microkernels
import Tensors

/// Sums over the pixels of each image, one number per channel, in double precision.
///
/// Short runs of pixels are summed in single precision, eight channels at a time, and their sums in double: fast, and
/// as exact as the data. A single-channel tensor is read as rows of eight pixels; their lanes are summed at the end.
enum ChannelSums {
  /// A run of pixels of one image: `rows` of `width` floats (a multiple of 8).
  struct Run {
    let image: Int
    /// The first pixel, counted over the batch.
    let firstPixel: Int
    /// Whole rows: one pixel each, or eight pixels of a single channel.
    let rows: Int
    let width: Int
    /// Pixels of a single channel that do not fill a row.
    let rest: Int

    /// The first number of the run in a tensor.
    func start(in tensor: Tensor) -> ElementPointer { tensor.elements + firstPixel * tensor.shape.stride }

    /// Writes the pixels of the incomplete row of a single channel to `row`, padded with `filler`.
    func copyRest(of tensor: Tensor, filler: Float, to row: UnsafeMutablePointer<Float>) {
      let source = tensor.start + firstPixel + rows * 8
      row.store(Vector(repeating: filler))
      for i in 0..<rest { row[i] = source[i] }
    }
  }

  /// Floats of a row for tensors of this shape.
  static func width(_ shape: Shape) -> Int { shape.channels == 1 ? 8 : shape.stride }

  /// Sums `quantities` numbers per channel over the pixels of each image.
  ///
  /// - Parameters:
  ///   - workspace: floats of workspace that `body` needs.
  ///   - body: adds the sums of a run to `sums`, `[quantities][width]`.
  /// - Returns: for each image `[quantities][channels]`, flattened.
  static func perImage(
    _ shape: Shape, quantities: Int, workspace: Int, on workers: WorkerPool,
    body: (_ run: Run, _ sums: UnsafeMutablePointer<Double>, _ workspace: UnsafeMutablePointer<Float>) -> Void
  ) -> [[Double]] {
    let pixels = shape.pixelsPerImage
    let width = width(shape)
    let perRow = shape.channels == 1 ? 8 : 1
    let runPixels = min(1024, max(32, 65_536 / width)) * perRow
    let segments = max(1, min(32, pixels.dividedRoundingUp(by: runPixels)))
    let count = quantities * width
    let parts = UnsafeMutablePointer<Double>.allocate(capacity: shape.images * segments * count)
    defer { parts.deallocate() }
    parts.initialize(repeating: 0, count: shape.images * segments * count)
    let workspaces = Buffer(count: workers.threads * workspace)

    workers.parallelFor(shape.images * segments) { task, worker in
      let image = task / segments
      // Segments begin at whole rows.
      let rows = pixels.dividedRoundingUp(by: perRow)
      let begin = rows * (task % segments) / segments * perRow
      let end = min(pixels, rows * (task % segments + 1) / segments * perRow)
      for first in stride(from: begin, to: end, by: runPixels) {
        let count = min(runPixels, end - first)
        let run = Run(
          image: image, firstPixel: image * pixels + first, rows: count / perRow, width: width, rest: count % perRow)
        body(run, parts + task * quantities * width, workspaces.start + worker * workspace)
      }
    }

    return (0..<shape.images).map { image in
      let first = parts + image * segments * count
      for segment in 1..<max(1, segments) {
        for i in 0..<count { first[i] += first[segment * count + i] }
      }
      if shape.channels == 1 {
        return (0..<quantities).map { quantity in (0..<8).reduce(0) { $0 + first[quantity * 8 + $1] } }
      }
      return (0..<quantities).flatMap { quantity in
        (0..<shape.channels).map { first[quantity * width + $0] }
      }
    }
  }

  /// The sums of a tensor's values, `[image][channel]`.
  static func ofValues(_ tensor: Tensor, on workers: WorkerPool) -> [[Double]] {
    let microkernels = workers.microkernels
    let width = width(tensor.shape)
    return perImage(tensor.shape, quantities: 1, workspace: width + 8, on: workers) { run, sums, workspace in
      let rest = workspace + width
      for c in stride(from: 0, to: width, by: 8) { workspace.store(Vector(), c) }
      microkernels.addRows(run.start(in: tensor), rows: run.rows, width: width, to: workspace)
      if run.rest > 0 {
        run.copyRest(of: tensor, filler: 0, to: rest)
        microkernels.addRows(rest, rows: 1, width: width, to: workspace)
      }
      for c in 0..<width { sums[c] += Double(workspace[c]) }
    }
  }

  /// The sums of each group of equally many consecutive images, `images` one row each.
  static func totals(ofGroups groups: Int, _ images: [[Double]]) -> [[Double]] {
    precondition(images.count.isMultiple(of: groups))
    let size = images.count / groups
    return (0..<groups).map { PairwiseSum.total(Array(images[$0 * size..<($0 + 1) * size])) }
  }

  /// Rounds the sums of each image (or group) to single precision and adds them as `PairwiseSum` does: the result that
  /// ranks with one each would get.
  static func joined(_ images: [[Double]], into target: FloatSlice) {
    var tree = PairwiseSum(count: target.count)
    for sums in images { tree.add(consuming: FloatSlice(sums.map { Float($0) })) }
    let total = tree.total()
    for channel in 0..<target.count { target[channel] = total[channel] }
  }
}
