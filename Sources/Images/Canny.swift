import Tensors

/// Canny edge detection (J. Canny, "A Computational Approach to Edge Detection", 1986), bit-identical to
/// `cv::Canny(image, low, high, apertureSize: 3, L2gradient: false)`: Sobel gradients, non-maximum suppression,
/// hysteresis.
package enum Canny {
  /// The network's thresholds.
  package static let (low, high) = (10, 100)

  /// - Parameters:
  ///   - image: gray or RGB.
  ///   - low: an edge continues where the gradient magnitude |gx| + |gy| is larger than this.
  ///   - high: an edge starts where it is larger than this.
  /// - Returns: an image of one channel, 255 on edges, 0 elsewhere.
  package static func edges(of image: Image, low: Int = Self.low, high: Int = Self.high) -> Image {
    precondition(0 <= low && low <= high, "0 ≤ low ≤ high")
    let (width, height) = (image.size.width, image.size.height)
    let edges = EdgeMap(image.size)
    defer { edges.deallocate() }
    let rows = GradientRows(width: width, channels: image.channels)
    defer { rows.deallocate() }

    image.withPixels { pixels in
      // The gradient of row y needs row y + 1 of the image; suppression in row y − 1 needs the gradient of row y.
      let stride = width * image.channels
      rows.load(pixels, row: -1)  // replicated border
      rows.load(pixels, row: 0)
      for y in 0...height {
        if y < height {
          rows.load(pixels + min(y + 1, height - 1) * stride, row: y + 1)
          rows.findGradients(row: y)
        } else {
          rows.clearGradients(row: y)
        }
        if y > 0 {
          rows.suppressNonMaxima(row: y - 1, low: Int16(clamping: low), high: Int16(clamping: high), into: edges)
        }
      }
    }
    edges.trackHysteresis()
    return edges.image()
  }
}

// MARK: - Sobel gradients and non-maximum suppression

/// Ring buffers of three rows each, 16-bit: the planar channels of the image, gradient magnitudes, gradient directions.
/// Each row has a border of one value on the left and padding for whole vectors on the right.
/// Vectors are compared with vectors: for a comparison with a scalar, Swift generates scalar code.
private struct GradientRows {
  typealias Vector = SIMD8<Int16>

  /// The pair of neighbors that the gradient points to.
  enum Direction {
    static var horizontal: Vector { Vector(repeating: 0) }
    static var vertical: Vector { Vector(repeating: 1) }
    static var diagonal: Vector { Vector(repeating: 2) }  // gx and gy of one sign: up left and down right
    static var antidiagonal: Vector { Vector(repeating: 3) }
  }

  let width: Int
  let channels: Int
  private let stride: Int
  private let memory: UnsafeMutablePointer<Int16>
  private let magnitudes: UnsafeMutablePointer<Int16>
  private let directions: UnsafeMutablePointer<Int16>

  init(width: Int, channels: Int) {
    self.width = width
    self.channels = channels
    stride = (width + 7) / 8 * 8 + 10
    let count = (3 * channels + 3 + 3) * stride
    memory = .allocate(capacity: count)
    memory.initialize(repeating: 0, count: count)  // gradients outside the image are 0
    magnitudes = memory + 3 * channels * stride
    directions = magnitudes + 3 * stride
  }

  func deallocate() { memory.deallocate() }

  /// The slot of row −1, 0, 1, … in a ring buffer of three.
  private func slot(_ row: Int) -> Int { (row + 3) % 3 }

  private func values(_ row: Int, channel: Int) -> UnsafeMutablePointer<Int16> {
    memory + (slot(row) * channels + channel) * stride
  }

  /// Loads a row of the image with replicated border pixels.
  func load(_ pixels: UnsafePointer<UInt8>, row: Int) {
    if channels == 1 {
      let gray = values(row, channel: 0) + 1
      for x in 0..<width { gray[x] = Int16(pixels[x]) }
    } else {
      // Blue first, as in OpenCV's images: among channels with equal magnitudes the first one counts.
      let blue = values(row, channel: 0) + 1
      let green = values(row, channel: 1) + 1
      let red = values(row, channel: 2) + 1
      for x in 0..<width {
        red[x] = Int16(pixels[3 * x])
        green[x] = Int16(pixels[3 * x + 1])
        blue[x] = Int16(pixels[3 * x + 2])
      }
    }
    for channel in 0..<channels {
      let values = values(row, channel: channel)
      values[0] = values[1]
      values[width + 1] = values[width]
    }
  }

  /// Gradient magnitude and direction along a row, each pixel's from the channel with the largest magnitude.
  func findGradients(row: Int) {
    let magnitude = magnitudes + slot(row) * stride + 1
    let direction = directions + slot(row) * stride + 1
    for x in Swift.stride(from: 0, to: width, by: 8) {
      var (gx, gy, largest) = sobel(row, channel: 0, at: x)
      for channel in 1..<channels {
        let other = sobel(row, channel: channel, at: x)
        let larger = other.magnitude .> largest
        gx.replace(with: other.gx, where: larger)
        gy.replace(with: other.gy, where: larger)
        largest.replace(with: other.magnitude, where: larger)
      }
      (magnitude + x).store(largest)
      (direction + x).store(Self.direction(gx, gy))
    }
    magnitude[width] = 0
  }

  func clearGradients(row: Int) {
    (magnitudes + slot(row) * stride).update(repeating: 0, count: stride)
  }

  /// The 3×3 Sobel operator at 8 pixels from `x`.
  @inline(__always)
  private func sobel(_ row: Int, channel: Int, at x: Int) -> (gx: Vector, gy: Vector, magnitude: Vector) {
    let above = values(row - 1, channel: channel) + x
    let center = values(row, channel: channel) + x
    let below = values(row + 1, channel: channel) + x
    let (a0, a1, a2) = (above.vector(0), above.vector(1), above.vector(2))
    let (b0, b2) = (center.vector(0), center.vector(2))
    let (c0, c1, c2) = (below.vector(0), below.vector(1), below.vector(2))
    let across = b2 &- b0
    let down = c1 &- a1
    let gx = (a2 &- a0) &+ across &+ across &+ (c2 &- c0)
    let gy = (c0 &- a0) &+ down &+ down &+ (c2 &- a2)
    return (gx, gy, gx.absolute &+ gy.absolute)
  }

  /// Horizontal where |gy| < t·|gx|, vertical where |gy| > (t + 2)·|gx|, with OpenCV's t = tan 22.5° = 13573 / 2¹⁵.
  /// In integers, with q = ⌊t·|gx|⌋ and |gx| > 0: |gy| ≤ q and |gy| > q + 2·|gx|. (Where |gx| = |gy| = 0 the direction
  /// does not matter: there is no edge.) As 13573 = 256·53 + 5 and |gx| ≤ 1020, q fits 16-bit arithmetic.
  @inline(__always)
  private static func direction(_ gx: Vector, _ gy: Vector) -> Vector {
    let x = unsafeBitCast(gx.absolute, to: SIMD8<UInt16>.self)
    let y = gy.absolute
    let q = unsafeBitCast((x &* 53 &+ ((x &* 5) &>> 8)) &>> 7, to: Vector.self)
    var direction = Direction.diagonal
    direction.replace(with: Direction.antidiagonal, where: (gx ^ gy) .< Vector())
    direction.replace(with: Direction.vertical, where: y .> q &+ gx.absolute &+ gx.absolute)
    direction.replace(with: Direction.horizontal, where: y .<= q)
    return direction
  }

  /// Non-maximum suppression: keeps the pixels whose gradient is larger than those of both neighbors along it.
  func suppressNonMaxima(row: Int, low: Int16, high: Int16, into edges: EdgeMap) {
    let above = magnitudes + slot(row - 1) * stride
    let center = magnitudes + slot(row) * stride
    let below = magnitudes + slot(row + 1) * stride
    let directions = self.directions + slot(row) * stride + 1
    let target = edges.row(row)
    let (low, high) = (Vector(repeating: low), Vector(repeating: high))
    for x in Swift.stride(from: 0, to: width, by: 8) {
      let magnitude = (center + x).vector(1)
      let direction = (directions + x).vector(0)
      var before = (center + x).vector(0)
      var after = (center + x).vector(2)
      let isVertical = direction .== Direction.vertical
      before.replace(with: (above + x).vector(1), where: isVertical)
      after.replace(with: (below + x).vector(1), where: isVertical)
      let isDiagonal = direction .== Direction.diagonal
      before.replace(with: (above + x).vector(0), where: isDiagonal)
      after.replace(with: (below + x).vector(2), where: isDiagonal)
      let isAntidiagonal = direction .== Direction.antidiagonal
      before.replace(with: (above + x).vector(2), where: isAntidiagonal)
      after.replace(with: (below + x).vector(0), where: isAntidiagonal)
      // Of two equal magnitudes the first remains, on diagonals neither: OpenCV compares with > before and ≥ after, but
      // with > twice on diagonals.
      after.replace(with: after &+ Vector(repeating: 1), where: isDiagonal .| isAntidiagonal)
      let isMaximum = (magnitude .> before) .& (magnitude .>= after) .& (magnitude .> low)
      var state = Vector(repeating: EdgeMap.none)
      state.replace(with: Vector(repeating: EdgeMap.weak), where: isMaximum)
      state.replace(with: Vector(repeating: EdgeMap.strong), where: isMaximum .& (magnitude .> high))
      UnsafeMutableRawPointer(target + x).storeBytes(
        of: SIMD8<UInt8>(truncatingIfNeeded: state), as: SIMD8<UInt8>.self)
    }
    edges.clearBorder(row)
  }
}

extension UnsafeMutablePointer<Int16> {
  @inline(__always)
  fileprivate func vector(_ offset: Int) -> SIMD8<Int16> {
    UnsafeRawPointer(self + offset).loadUnaligned(as: SIMD8<Int16>.self)
  }

  @inline(__always)
  fileprivate func store(_ vector: SIMD8<Int16>) {
    UnsafeMutableRawPointer(self).storeBytes(of: vector, as: SIMD8<Int16>.self)
  }
}

extension SIMD8<Int16> {
  @inline(__always)
  fileprivate var absolute: Self { replacing(with: Self() &- self, where: self .< Self()) }
}

// MARK: - Hysteresis

/// The state of each pixel, with a border of one pixel without edges.
private struct EdgeMap {
  static let none: Int16 = 0
  /// An edge if it is connected to a strong one.
  static let weak: Int16 = 1
  static let strong: Int16 = 2
  private static let edge: UInt8 = 255

  private let width: Int
  private let height: Int
  private let stride: Int
  private let memory: UnsafeMutablePointer<UInt8>

  init(_ size: Size) {
    (width, height) = (size.width, size.height)
    stride = (width + 7) / 8 * 8 + 2
    memory = .allocate(capacity: stride * (height + 2))
    memory.initialize(repeating: 0, count: stride * (height + 2))
  }

  func deallocate() { memory.deallocate() }

  /// The first pixel of a row. Whole vectors may be written; `clearBorder` restores the border afterwards.
  func row(_ row: Int) -> UnsafeMutablePointer<UInt8> { memory + (row + 1) * stride + 1 }

  func clearBorder(_ row: Int) {
    self.row(row)[-1] = 0
    (self.row(row) + width).update(repeating: 0, count: stride - width - 1)
  }

  /// Hysteresis: strong pixels become edges, and so do all weak pixels that are connected to them.
  func trackHysteresis() {
    let neighbors = (-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1)
    var pending = [UnsafeMutablePointer<UInt8>]()

    @inline(__always)
    func visit(_ pixel: UnsafeMutablePointer<UInt8>) {
      if pixel[0] == UInt8(Self.weak) {
        pixel[0] = Self.edge
        pending.append(pixel)
      }
    }
    @inline(__always)
    func visitNeighbors(_ pixel: UnsafeMutablePointer<UInt8>) {
      visit(pixel + neighbors.0)
      visit(pixel + neighbors.1)
      visit(pixel + neighbors.2)
      visit(pixel + neighbors.3)
      visit(pixel + neighbors.4)
      visit(pixel + neighbors.5)
      visit(pixel + neighbors.6)
      visit(pixel + neighbors.7)
    }
    for y in 0..<height {
      let row = row(y)
      for x in 0..<width where row[x] == UInt8(Self.strong) {
        row[x] = Self.edge
        visitNeighbors(row + x)
        while let pixel = pending.popLast() { visitNeighbors(pixel) }
      }
    }
  }

  /// 255 on edges, 0 elsewhere; call after `trackHysteresis`.
  func image() -> Image {
    Image(Size(height, width), channels: 1) { target in
      for y in 0..<height {
        let row = row(y)
        for x in 0..<width { target[y * width + x] = row[x] == Self.edge ? Self.edge : 0 }
      }
    }
  }
}
