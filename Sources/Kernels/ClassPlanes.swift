import Microkernels
import Tensors

/// A map of one float a pixel for each of several classes of an image: dense planes, so that spatial filters run along
/// whole vectors. Rows are padded to whole vectors with arbitrary floats.
struct ClassPlanes {
  let classes: Int
  let height: Int
  let width: Int
  /// Floats from one row to the next.
  let stride: Int
  private let planeStride: Int
  private let buffer: Buffer

  /// Planes with arbitrary contents.
  init(_ classes: Int, _ size: Size) {
    self.classes = classes
    (height, width) = (size.height, size.width)
    stride = size.width.roundedUp(toMultipleOf: 8)
    // An odd number of cache lines: the floats of a pixel are then not all in one set of a cache.
    planeStride = 16 * ((size.height * stride).dividedRoundingUp(by: 16) | 1)
    buffer = Buffer(count: classes * planeStride)
  }

  func row(_ plane: Int, _ y: Int) -> UnsafeMutablePointer<Float> { buffer.start + plane * planeStride + y * stride }

  /// Rows of a task. Bands of rows are cut by the height alone.
  private static let bandRows = 64

  var bands: Int { height.dividedRoundingUp(by: Self.bandRows) }

  /// The most rows of a band.
  var rowsOfBand: Int { min(height, Self.bandRows) }

  func rows(ofBand band: Int) -> Range<Int> {
    band * Self.bandRows..<min(height, (band + 1) * Self.bandRows)
  }

  /// Runs `body` for each band of each plane; `task` counts them plane after plane.
  func forEachBand(
    on workers: WorkerPool, _ body: (_ task: Int, _ plane: Int, _ rows: Range<Int>, _ worker: Int) -> Void
  ) {
    workers.parallelFor(classes * bands) { task, worker in
      body(task, task / bands, rows(ofBand: task % bands), worker)
    }
  }
}

/// A row of floats with some beyond either end, for filters along it.
struct PaddedRow {
  /// Floats before the first one, at most.
  static let margin = 8

  /// The first float of the row.
  let start: UnsafeMutablePointer<Float>
  let width: Int

  /// Floats of memory for a row.
  static func count(width: Int) -> Int { width.roundedUp(toMultipleOf: 8) + 2 * margin + 8 }

  init(_ memory: UnsafeMutablePointer<Float>, width: Int) {
    start = memory + Self.margin
    self.width = width
  }

  /// Writes `radius` floats beyond either end, as `NumPy`'s padding mode `symmetric`: the row is mirrored there, its end
  /// included. Floats beyond those, up to a whole vector, become 0.
  @inline(__always)
  func padSymmetrically(_ radius: Int) {
    for distance in 0..<radius {
      start[-1 - distance] = start[reflected(-1 - distance, width)]
      start[width + distance] = start[reflected(width + distance, width)]
    }
    clearTail(from: width + radius)
  }

  /// Writes the first and last float, times `factor`, beyond the ends.
  @inline(__always)
  func extend(times factor: Float) {
    start[-1] = factor * start[0]
    start[width] = factor * start[width - 1]
    clearTail(from: width + 1)
  }

  @inline(__always)
  private func clearTail(from first: Int) {
    for index in first..<width.roundedUp(toMultipleOf: 8) + Self.margin + 8 { start[index] = 0 }
  }
}

/// The index inside 0 ..< `count` that a mirrored index stands for.
@inline(__always)
func reflected(_ index: Int, _ count: Int) -> Int {
  if index >= 0, index < count { return index }
  let period = 2 * count
  let inside = (index % period + period) % period
  return inside < count ? inside : period - 1 - inside
}
