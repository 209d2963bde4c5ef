import Microkernels
import Tensors

/// The magnitude of the spatial derivative of a plane, and its backward pass.
///
///     m = √(κ · (∂x² + ∂y²) + ε)
///     dL/d∂x = dL/dm · κ · ∂x / m, the same with y; 0 where m is 0
///
/// Derivatives are those of `numpy.gradient`: half the difference of both neighbors, and at the frame the difference of
/// the pixel and its only neighbor. With c = 1 at the frame and ½ elsewhere, and indices beyond the frame moved to it:
///
///     ∂x[i] = c[i] · (x[i + 1] − x[i − 1])
///
/// In the backward pass the slope v[i] = c[i] · dL/d∂x[i] goes to x[i + 1], and −v[i] to x[i − 1]. A float thus gets
/// v[i − 1] − v[i + 1], where those missing at the frame are −v of the frame itself.
struct GradientMagnitude {
  enum Derivative {
    /// None: ∂x = ∂y = x.
    case identity
    /// As above.
    case central
    /// As above, smoothed across by ¼ ½ ¼, which makes Sobel's filter, halved. Smoothing is symmetric: the backward pass
    /// smoothes too.
    case sobel
  }

  let derivative: Derivative
  /// κ
  let factor: Float
  /// ε
  let offset: Float

  /// Memory for the rows that a worker needs.
  struct Workspace {
    let (m, dx, dy): (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
    fileprivate let (along, across): (PaddedRow, PaddedRow)

    static func count(width: Int) -> Int { 5 * PaddedRow.count(width: width) }

    init(_ memory: UnsafeMutablePointer<Float>, width: Int) {
      let count = PaddedRow.count(width: width)
      (m, dx, dy) = (memory, memory + count, memory + 2 * count)
      (along, across) = (PaddedRow(memory + 3 * count, width: width), PaddedRow(memory + 4 * count, width: width))
    }
  }

  /// m of a row where the plane is 0.
  var least: Float { offset.squareRoot() }

  /// Computes m, ∂x and ∂y of a row of a plane into the workspace.
  @inline(__always)
  func magnitude(of planes: ClassPlanes, _ plane: Int, _ y: Int, _ workspace: Workspace) {
    differentiate(planes, plane, y, workspace)
    for x in stride(from: 0, to: planes.stride, by: 8) {
      let (dx, dy) = (workspace.dx.vector(x), workspace.dy.vector(x))
      workspace.m.store(((dx * dx + dy * dy) * factor + offset).squareRoot(), x)
    }
  }

  @inline(__always)
  private func differentiate(_ planes: ClassPlanes, _ plane: Int, _ y: Int, _ workspace: Workspace) {
    let row = planes.row(plane, y)
    let (width, count) = (planes.width, planes.stride)
    guard derivative != .identity else {
      workspace.dx.update(from: row, count: count)
      return workspace.dy.update(from: row, count: count)
    }
    let (above, below) = (planes.row(plane, max(y - 1, 0)), planes.row(plane, min(y + 1, planes.height - 1)))
    let c: Float = y == 0 || y == planes.height - 1 ? 1 : 0.5
    let (along, across) = (workspace.along.start, workspace.across.start)
    for x in stride(from: 0, to: count, by: 8) {
      let (top, middle, bottom) = (above.vector(x), row.vector(x), below.vector(x))
      along.store(derivative == .sobel ? smoothed(top, middle, bottom) : middle, x)
      across.store((bottom - top) * c, x)
    }
    workspace.along.extend(times: 1)
    for x in stride(from: 0, to: count, by: 8) {
      workspace.dx.store((along.vector(x + 1) - along.vector(x - 1)) * 0.5, x)
    }
    workspace.dx[0] *= 2
    if width > 1 { workspace.dx[width - 1] *= 2 }
    guard derivative == .sobel else { return workspace.dy.update(from: across, count: count) }
    workspace.across.extend(times: 1)
    for x in stride(from: 0, to: count, by: 8) {
      workspace.dy.store(smoothed(across.vector(x - 1), across.vector(x), across.vector(x + 1)), x)
    }
  }

  /// The slopes dL/d∂x and dL/d∂y of eight floats.
  ///
  /// - Parameter slope: dL/dm.
  @inline(__always)
  func slopes(_ slope: Vector, _ workspace: Workspace, _ x: Int) -> (dx: Vector, dy: Vector) {
    let m = workspace.m.vector(x)
    let ratio = (slope * factor / m).replacing(with: 0, where: m .== 0)
    return (workspace.dx.vector(x) * ratio, workspace.dy.vector(x) * ratio)
  }

  /// Computes a row of dL/dx.
  ///
  /// - Parameters:
  ///   - dx, dy: dL/d∂x and dL/d∂y of the rows y − 1, y and y + 1; beyond the frame those of the frame.
  @inline(__always)
  func gradient(
    dx: (above: UnsafeMutablePointer<Float>, middle: UnsafeMutablePointer<Float>, below: UnsafeMutablePointer<Float>),
    dy: (above: UnsafeMutablePointer<Float>, middle: UnsafeMutablePointer<Float>, below: UnsafeMutablePointer<Float>),
    _ y: Int, of planes: ClassPlanes, _ workspace: Workspace, into row: UnsafeMutablePointer<Float>
  ) {
    let (width, count, last) = (planes.width, planes.stride, planes.height - 1)
    guard derivative != .identity else {
      for x in stride(from: 0, to: count, by: 8) { row.store(dx.middle.vector(x) + dy.middle.vector(x), x) }
      return
    }
    let (along, across) = (workspace.along.start, workspace.across.start)
    // v[y − 1] and v[y + 1], where those missing are −v[0] and −v[last].
    let above: Float = y == 0 ? -1 : y == 1 ? 1 : 0.5
    let below: Float = y == last ? -1 : y == last - 1 ? 1 : 0.5
    for x in stride(from: 0, to: count, by: 8) {
      let middle = dx.middle.vector(x)
      let slope = derivative == .sobel ? smoothed(dx.above.vector(x), middle, dx.below.vector(x)) : middle
      along.store(slope * 0.5, x)
      across.store(dy.above.vector(x) * above - dy.below.vector(x) * below, x)
    }
    along[0] *= 2
    if width > 1 { along[width - 1] *= 2 }
    workspace.along.extend(times: -1)
    if derivative == .sobel { workspace.across.extend(times: 1) }
    for x in stride(from: 0, to: count, by: 8) {
      let vertical =
        derivative == .sobel
        ? smoothed(across.vector(x - 1), across.vector(x), across.vector(x + 1)) : across.vector(x)
      row.store(along.vector(x - 1) - along.vector(x + 1) + vertical, x)
    }
  }

  @inline(__always)
  private func smoothed(_ before: Vector, _ middle: Vector, _ after: Vector) -> Vector {
    (before + after) * 0.25 + middle * 0.5
  }
}
