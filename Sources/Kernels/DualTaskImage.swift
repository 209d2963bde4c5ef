import Microkernels
import Tensors

/// The dual-task loss of one image: planes of every class, filtered, differentiated and compared in bands of rows.
struct DualTaskImage {
  /// Σ |ζ(g) − ζ(h)|
  private(set) var sum = 0.0
  /// The number of terms of the sum.
  private(set) var terms = 0

  private let shape: Shape
  private let target: UnsafePointer<UInt8>
  private let options: DualTaskLoss.Options
  private let workers: WorkerPool
  private let magnitude: GradientMagnitude
  /// 1 at valid pixels, else 0; a single plane.
  private let mask: ClassPlanes
  /// g
  private let samples: ClassPlanes
  /// K ∗ g, and K ∗ h of those classes that the labels have.
  private let (smoothed, labels): (ClassPlanes, ClassPlanes)
  /// dL/d(K ∗ g); nil if no gradient is wanted.
  private let slopes: ClassPlanes?
  /// The classes of the planes of `labels`.
  private let labelClasses: [Int]
  /// The plane in `labels` of each class.
  private let labelPlanes: [Int?]
  private let isUniform: Bool

  /// The largest m of a map, and where it is.
  private struct Maximum {
    var value: Float
    var plane = 0
    var x = 0
    var y = 0
  }

  init(
    _ shape: Shape, target: UnsafePointer<UInt8>, _ options: DualTaskLoss.Options, withGradient: Bool,
    on workers: WorkerPool
  ) {
    self.shape = shape
    self.target = target
    self.options = options
    self.workers = workers
    magnitude = options.variant.magnitude
    var pixels = [Int](repeating: 0, count: 256)
    for pixel in 0..<shape.pixelsPerImage { pixels[Int(target[pixel])] += 1 }
    precondition(
      (shape.channels..<256).allSatisfy { pixels[$0] == 0 || $0 == Int(options.ignoreIndex) },
      "a label is not less than the number of classes")
    let classes = (0..<shape.channels).filter { pixels[$0] > 0 }
    labelClasses = classes
    labelPlanes = (0..<shape.channels).map { classes.firstIndex(of: $0) }
    isUniform = classes.contains { pixels[$0] == shape.pixelsPerImage }
    mask = ClassPlanes(1, shape.size)
    samples = ClassPlanes(shape.channels, shape.size)
    smoothed = options.variant.filter == nil ? samples : ClassPlanes(shape.channels, shape.size)
    labels = ClassPlanes(classes.count, shape.size)
    slopes = withGradient ? ClassPlanes(shape.channels, shape.size) : nil
    writeMask()
  }

  private func writeMask() {
    for y in 0..<shape.height {
      let (row, labels) = (mask.row(0, y), target + y * shape.width)
      for x in 0..<mask.stride { row[x] = x < shape.width && labels[x] != options.ignoreIndex ? 1 : 0 }
    }
  }

  /// Computes the sum, and the slopes if a gradient is wanted.
  ///
  /// - Parameter logits: `[H, W, C]`.
  mutating func evaluate(_ logits: UnsafeMutablePointer<Float>, noise: RandomNumbers) {
    GumbelSoftmax.forward(
      logits, channelStride: shape.stride, mask: mask, noise: noise, temperature: options.temperature, into: samples,
      on: workers)
    smooth()
    guard options.variant.isNormalized else { return compare(Maximum(value: 1), labels: 1) }
    // An image without a valid pixel has no terms, and nothing is divided.
    let predicted = maximum(of: smoothed)
    let labeled = isUniform && options.variant == .paddle ? options.variant.straightBoundary : maximum(of: labels).value
    compare(predicted, labels: labeled)
  }

  private func smooth() {
    let (width, stride) = (shape.width, samples.stride)
    func writeLabels(_ plane: Int, _ y: Int, _ row: UnsafeMutablePointer<Float>) {
      let (labels, label) = (target + y * width, UInt8(truncatingIfNeeded: labelClasses[plane]))
      for x in 0..<width { row[x] = labels[x] == label ? 1 : 0 }
      for x in width..<stride { row[x] = 0 }
    }
    guard let filter = options.variant.filter else {
      labels.forEachBand(on: workers) { _, plane, rows, _ in
        for y in rows { writeLabels(plane, y, labels.row(plane, y)) }
      }
      return
    }
    filter.apply(to: samples, into: smoothed, on: workers)
    filter.apply(into: labels, on: workers, writeLabels)
  }

  /// The largest m at valid pixels; the first of several in the order of planes, rows and columns.
  private func maximum(of planes: ClassPlanes) -> Maximum {
    let (width, size) = (shape.width, GradientMagnitude.Workspace.count(width: shape.width))
    let workspaces = Buffer(count: workers.threads * size)
    var maxima = [Maximum](repeating: Maximum(value: magnitude.least), count: planes.classes * planes.bands)
    maxima.withUnsafeMutableBufferPointer { maxima in
      planes.forEachBand(on: workers) { task, plane, rows, worker in
        let workspace = GradientMagnitude.Workspace(workspaces.start + worker * size, width: width)
        var best = Maximum(value: 0)
        for y in rows {
          magnitude.magnitude(of: planes, plane, y, workspace)
          let mask = mask.row(0, y)
          var largest = Vector.zero
          for x in stride(from: 0, to: planes.stride, by: 8) {
            largest = VectorMath.larger(largest, workspace.m.vector(x) * mask.vector(x))
          }
          let value = VectorMath.largest(largest)
          guard value > best.value else { continue }
          let x = (0..<width).first { mask[$0] != 0 && workspace.m[$0] == value }
          if let x { best = Maximum(value: value, plane: plane, x: x, y: y) }
        }
        maxima[task] = best
      }
    }
    return maxima.reduce(Maximum(value: 0)) { $1.value > $0.value ? $1 : $0 }
  }

  // MARK: - Comparison

  /// Sums of the terms of a band.
  private struct BandSums {
    /// Σ |ζ(g) − ζ(h)|
    var loss = 0.0
    /// Σ u · m(g)
    var slope = 0.0
    var terms = 0
  }

  /// Compares m(g) / M(g) with m(h) / M(h).
  private mutating func compare(_ predicted: Maximum, labels labeled: Float) {
    // Of an image without valid pixels; it has no terms.
    let scales = (predicted.value > 0 ? 1 / predicted.value : 0, labeled > 0 ? 1 / labeled : 0)
    var sums = [BandSums](repeating: BandSums(), count: samples.classes * samples.bands)
    let size = BandWorkspace.count(smoothed)
    let workspaces = Buffer(count: workers.threads * size)
    sums.withUnsafeMutableBufferPointer { sums in
      smoothed.forEachBand(on: workers) { task, plane, rows, worker in
        let workspace = BandWorkspace(workspaces.start + worker * size, smoothed)
        // The slopes of a row reach the rows beside it.
        let reach = slopes == nil ? rows : max(rows.lowerBound - 1, 0)..<min(rows.upperBound + 1, shape.height)
        var band = BandSums()
        for y in reach {
          let row = compareRow(plane, y, scales, workspace, at: y - reach.lowerBound)
          guard rows.contains(y) else { continue }
          band.loss += row.loss
          band.slope += row.slope
          band.terms += row.terms
        }
        sums[task] = band
        if let slopes {
          func rowsAround(_ y: Int, _ start: UnsafeMutablePointer<Float>) -> (
            above: UnsafeMutablePointer<Float>, middle: UnsafeMutablePointer<Float>, below: UnsafeMutablePointer<Float>
          ) {
            let (above, below) = (max(y - 1, 0) - reach.lowerBound, min(y + 1, shape.height - 1) - reach.lowerBound)
            let stride = smoothed.stride
            return (start + above * stride, start + (y - reach.lowerBound) * stride, start + below * stride)
          }
          for y in rows {
            magnitude.gradient(
              dx: rowsAround(y, workspace.dx), dy: rowsAround(y, workspace.dy), y, of: smoothed, workspace.predicted,
              into: slopes.row(plane, y))
          }
        }
      }
    }
    var slope = 0.0
    for band in sums {
      sum += band.loss
      slope += band.slope
      terms += band.terms
    }
    if options.variant.isNormalized, terms > 0 {
      addSlopeOfMaximum(-slope * Double(scales.0) * Double(scales.0), at: predicted)
    }
  }

  /// What a worker needs for a band.
  private struct BandWorkspace {
    let (predicted, labeled): (GradientMagnitude.Workspace, GradientMagnitude.Workspace)
    /// dL/d∂x and dL/d∂y of the rows of a band and one beyond either end.
    let (dx, dy): (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)

    static func count(_ planes: ClassPlanes) -> Int {
      2 * GradientMagnitude.Workspace.count(width: planes.width) + 2 * (planes.rowsOfBand + 2) * planes.stride
    }

    init(_ memory: UnsafeMutablePointer<Float>, _ planes: ClassPlanes) {
      let size = GradientMagnitude.Workspace.count(width: planes.width)
      predicted = GradientMagnitude.Workspace(memory, width: planes.width)
      labeled = GradientMagnitude.Workspace(memory + size, width: planes.width)
      dx = memory + 2 * size
      dy = dx + (planes.rowsOfBand + 2) * planes.stride
    }
  }

  /// - Parameters:
  ///   - scales: 1 / M(g) and 1 / M(h).
  ///   - index: of the row in the slopes of the workspace.
  @inline(__always)
  private func compareRow(
    _ plane: Int, _ y: Int, _ scales: (Float, Float), _ workspace: BandWorkspace, at index: Int
  ) -> BandSums {
    let (predicted, labeled, count) = (workspace.predicted, workspace.labeled, smoothed.stride)
    magnitude.magnitude(of: smoothed, plane, y, predicted)
    if let plane = labelPlanes[plane] {
      magnitude.magnitude(of: labels, plane, y, labeled)
    } else {
      labeled.m.update(repeating: magnitude.least, count: count)
    }
    let mask = mask.row(0, y)
    let (dxRow, dyRow) = (workspace.dx + index * count, workspace.dy + index * count)
    var (loss, slope, terms) = (Vector.zero, Vector.zero, Vector.zero)
    for x in stride(from: 0, to: count, by: 8) {
      let m = predicted.m.vector(x)
      let (g, h) = (m * scales.0, labeled.m.vector(x) * scales.1)
      var counts = mask.vector(x)
      if let tolerance = options.variant.tolerance {
        // A NaN counts.
        counts.replace(with: 0, where: (g .<= tolerance) .& (h .<= tolerance))
      }
      let difference = (g - h) * counts
      loss += difference.replacing(with: -difference, where: difference .< 0)
      terms += counts
      guard slopes != nil else { continue }
      let u = Vector.zero.replacing(with: 1, where: difference .> 0).replacing(with: -1, where: difference .< 0)
      slope += u * m
      let (dx, dy) = magnitude.slopes(u * scales.0, predicted, x)
      dxRow.store(dx, x)
      dyRow.store(dy, x)
    }
    return BandSums(
      loss: Double(loss.horizontalSum), slope: Double(slope.horizontalSum), terms: Int(terms.horizontalSum))
  }

  /// Adds what the maximum, by which all m are divided, passes on to the pixels around it.
  private func addSlopeOfMaximum(_ slope: Double, at maximum: Maximum) {
    guard let slopes else { return }
    let (plane, x, y) = (maximum.plane, maximum.x, maximum.y)
    let memory = Buffer(count: GradientMagnitude.Workspace.count(width: shape.width))
    let workspace = GradientMagnitude.Workspace(memory.start, width: shape.width)
    magnitude.magnitude(of: smoothed, plane, y, workspace)
    let ratio = Float(slope) * magnitude.factor / workspace.m[x]
    let (dx, dy) = (ratio * workspace.dx[x], ratio * workspace.dy[x])
    guard magnitude.derivative != .identity else { return slopes.row(plane, y)[x] += dx + dy }
    let (lastX, lastY) = (shape.width - 1, shape.height - 1)
    let (cx, cy): (Float, Float) = (x == 0 || x == lastX ? 1 : 0.5, y == 0 || y == lastY ? 1 : 0.5)
    slopes.row(plane, y)[min(x + 1, lastX)] += cx * dx
    slopes.row(plane, y)[max(x - 1, 0)] -= cx * dx
    slopes.row(plane, min(y + 1, lastY))[x] += cy * dy
    slopes.row(plane, max(y - 1, 0))[x] -= cy * dy
  }

  /// Writes the gradient of the sum with respect to the logits. Overwrites K ∗ g.
  ///
  /// - Parameter gradient: `[H, W, C]`.
  func writeGradient(to gradient: UnsafeMutablePointer<Float>) {
    guard let slopes else { return }
    var ofSamples = slopes
    if let filter = options.variant.filter {
      filter.apply(to: slopes, into: smoothed, on: workers)
      ofSamples = smoothed
    }
    GumbelSoftmax.gradient(
      ofSamples, samples, temperature: options.temperature, into: gradient, channelStride: shape.stride, on: workers)
  }
}
