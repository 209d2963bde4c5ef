/// Edges after J. Canny, "A Computational Approach to Edge Detection" (1986), to the bit as
/// `cv::Canny(image, low, high, apertureSize: 3, L2gradient: false)` finds them.
package enum Canny {
  /// - Parameters:
  ///   - image: gray or RGB.
  ///   - low: an edge goes on where the gradient's size |gx| + |gy| is larger than this.
  ///   - high: an edge begins where it is larger than this.
  /// - Returns: an image of one channel, 255 on edges, 0 elsewhere.
  package static func edges(of image: Image, low: Int = 10, high: Int = 100) -> Image {
    precondition(0 <= low && low <= high, "thresholds are not negative, the lower one first")
    let (width, height) = (image.width, image.height)
    let marks = Marks(width: width, height: height)
    defer { marks.deallocate() }
    let rows = Rows(width: width, channels: image.channels)
    defer { rows.deallocate() }

    image.withPixels { pixels in
      // Row y + 1 must be known to find the gradient of row y, and that to thin the edges of row y − 1.
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
        if y > 0 { rows.thin(row: y - 1, low: Int16(clamping: low), high: Int16(clamping: high), into: marks) }
      }
    }
    marks.follow()
    return marks.image()
  }
}

// MARK: - Gradients and their ridges

/// The rows at work, 16-bit values in rings: channels of the image apart from each other, gradient sizes, directions.
/// All rows have a border of one value on the left and room for vectors to overhang on the right.
/// Vectors are compared with vectors throughout: compared with a scalar, Swift goes from lane to lane.
private struct Rows {
  typealias Lanes = SIMD8<Int16>

  /// Which neighbors a gradient points to, to be compared along it.
  enum Direction {
    static var horizontal: Lanes { Lanes(repeating: 0) }
    static var vertical: Lanes { Lanes(repeating: 1) }
    static var falling: Lanes { Lanes(repeating: 2) }  // gx and gy of one sign: up left and down right
    static var rising: Lanes { Lanes(repeating: 3) }
  }

  let width: Int
  let channels: Int
  private let stride: Int
  private let memory: UnsafeMutablePointer<Int16>
  private let sizes: UnsafeMutablePointer<Int16>
  private let directions: UnsafeMutablePointer<Int16>

  init(width: Int, channels: Int) {
    self.width = width
    self.channels = channels
    stride = (width + 7) / 8 * 8 + 10
    let count = (3 * channels + 3 + 3) * stride
    memory = .allocate(capacity: count)
    memory.initialize(repeating: 0, count: count)  // gradients outside of the image are 0
    sizes = memory + 3 * channels * stride
    directions = sizes + 3 * stride
  }

  func deallocate() { memory.deallocate() }

  /// The place of row −1, 0, 1, … in a ring of three.
  private func slot(_ row: Int) -> Int { (row + 3) % 3 }

  private func values(_ row: Int, channel: Int) -> UnsafeMutablePointer<Int16> {
    memory + (slot(row) * channels + channel) * stride
  }

  /// Takes in a row of the image, its first and last pixel repeated outside.
  func load(_ pixels: UnsafePointer<UInt8>, row: Int) {
    if channels == 1 {
      let gray = values(row, channel: 0) + 1
      for x in 0..<width { gray[x] = Int16(pixels[x]) }
    } else {
      // Blue first, as in OpenCV's images: of channels with equally large gradients the first one counts.
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

  /// Size and direction of the gradient along a row, each pixel's from the channel where it is largest.
  func findGradients(row: Int) {
    let size = sizes + slot(row) * stride + 1
    let direction = directions + slot(row) * stride + 1
    for x in Swift.stride(from: 0, to: width, by: 8) {
      var (gx, gy, largest) = sobel(row, channel: 0, at: x)
      for channel in 1..<channels {
        let other = sobel(row, channel: channel, at: x)
        let larger = other.size .> largest
        gx.replace(with: other.gx, where: larger)
        gy.replace(with: other.gy, where: larger)
        largest.replace(with: other.size, where: larger)
      }
      (size + x).store(largest)
      (direction + x).store(Self.direction(gx, gy))
    }
    size[width] = 0
  }

  func clearGradients(row: Int) {
    (sizes + slot(row) * stride).update(repeating: 0, count: stride)
  }

  /// The 3×3 Sobel operator at 8 pixels from `x`.
  @inline(__always)
  private func sobel(_ row: Int, channel: Int, at x: Int) -> (gx: Lanes, gy: Lanes, size: Lanes) {
    let above = values(row - 1, channel: channel) + x
    let here = values(row, channel: channel) + x
    let below = values(row + 1, channel: channel) + x
    let (a0, a1, a2) = (above.lanes(0), above.lanes(1), above.lanes(2))
    let (b0, b2) = (here.lanes(0), here.lanes(2))
    let (c0, c1, c2) = (below.lanes(0), below.lanes(1), below.lanes(2))
    let across = b2 &- b0
    let down = c1 &- a1
    let gx = (a2 &- a0) &+ across &+ across &+ (c2 &- c0)
    let gy = (c0 &- a0) &+ down &+ down &+ (c2 &- a2)
    return (gx, gy, gx.magnitudes &+ gy.magnitudes)
  }

  /// Horizontal where |gy| < t·|gx|, vertical where |gy| > (t + 2)·|gx|, with t = tan 22.5° = 13573 / 2¹⁵ as OpenCV
  /// has it. In whole numbers, with q = ⌊t·|gx|⌋ and |gx| > 0: |gy| ≤ q and |gy| > q + 2·|gx|. (Where |gx| and |gy|
  /// are both 0, any direction will do: that is no edge.) As 13573 = 256·53 + 5, q fits into 16-bit arithmetic:
  /// |gx| ≤ 1020.
  @inline(__always)
  private static func direction(_ gx: Lanes, _ gy: Lanes) -> Lanes {
    let x = unsafeBitCast(gx.magnitudes, to: SIMD8<UInt16>.self)
    let y = gy.magnitudes
    let q = unsafeBitCast((x &* 53 &+ ((x &* 5) &>> 8)) &>> 7, to: Lanes.self)
    var direction = Direction.falling
    direction.replace(with: Direction.rising, where: (gx ^ gy) .< Lanes())
    direction.replace(with: Direction.vertical, where: y .> q &+ gx.magnitudes &+ gx.magnitudes)
    direction.replace(with: Direction.horizontal, where: y .<= q)
    return direction
  }

  /// Keeps the pixels whose gradient is larger than those of the two neighbors it points to.
  func thin(row: Int, low: Int16, high: Int16, into marks: Marks) {
    let above = sizes + slot(row - 1) * stride
    let here = sizes + slot(row) * stride
    let below = sizes + slot(row + 1) * stride
    let direction = directions + slot(row) * stride + 1
    let target = marks.row(row)
    let (low, high) = (Lanes(repeating: low), Lanes(repeating: high))
    for x in Swift.stride(from: 0, to: width, by: 8) {
      let size = (here + x).lanes(1)
      let towards = (direction + x).lanes(0)
      var before = (here + x).lanes(0)
      var after = (here + x).lanes(2)
      let isVertical = towards .== Direction.vertical
      before.replace(with: (above + x).lanes(1), where: isVertical)
      after.replace(with: (below + x).lanes(1), where: isVertical)
      let isFalling = towards .== Direction.falling
      before.replace(with: (above + x).lanes(0), where: isFalling)
      after.replace(with: (below + x).lanes(2), where: isFalling)
      let isRising = towards .== Direction.rising
      before.replace(with: (above + x).lanes(2), where: isRising)
      after.replace(with: (below + x).lanes(0), where: isRising)
      // Of equals the first remains, but on diagonals neither: OpenCV compares with ≥ ahead, with > on diagonals.
      after.replace(with: after &+ Lanes(repeating: 1), where: isFalling .| isRising)
      let isRidge = (size .> before) .& (size .>= after) .& (size .> low)
      var mark = Lanes(repeating: Marks.none)
      mark.replace(with: Lanes(repeating: Marks.possible), where: isRidge)
      mark.replace(with: Lanes(repeating: Marks.certain), where: isRidge .& (size .> high))
      UnsafeMutableRawPointer(target + x).storeBytes(
        of: SIMD8<UInt8>(truncatingIfNeeded: mark), as: SIMD8<UInt8>.self)
    }
    marks.clearBorder(row)
  }
}

extension UnsafeMutablePointer<Int16> {
  @inline(__always)
  fileprivate func lanes(_ offset: Int) -> SIMD8<Int16> {
    UnsafeRawPointer(self + offset).loadUnaligned(as: SIMD8<Int16>.self)
  }

  @inline(__always)
  fileprivate func store(_ lanes: SIMD8<Int16>) {
    UnsafeMutableRawPointer(self).storeBytes(of: lanes, as: SIMD8<Int16>.self)
  }
}

extension SIMD8<Int16> {
  @inline(__always)
  fileprivate var magnitudes: Self { replacing(with: Self() &- self, where: self .< Self()) }
}

// MARK: - Hysteresis

/// What is known of each pixel, with a border of one pixel that is no edge.
private struct Marks {
  static let none: Int16 = 0
  /// An edge if it hangs together with a certain one.
  static let possible: Int16 = 1
  static let certain: Int16 = 2
  private static let edge: UInt8 = 255

  private let width: Int
  private let height: Int
  private let stride: Int
  private let memory: UnsafeMutablePointer<UInt8>

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    stride = (width + 7) / 8 * 8 + 2
    memory = .allocate(capacity: stride * (height + 2))
    memory.initialize(repeating: 0, count: stride * (height + 2))
  }

  func deallocate() { memory.deallocate() }

  /// The first pixel of a row; vectors may overhang, `clearBorder` tidies up after them.
  func row(_ row: Int) -> UnsafeMutablePointer<UInt8> { memory + (row + 1) * stride + 1 }

  func clearBorder(_ row: Int) {
    self.row(row)[-1] = 0
    (self.row(row) + width).update(repeating: 0, count: stride - width - 1)
  }

  /// Turns certain pixels into edges and with them all possible ones that touch them, directly or through others.
  func follow() {
    let neighbors = (-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1)
    var pending = [UnsafeMutablePointer<UInt8>]()

    @inline(__always)
    func visit(_ pixel: UnsafeMutablePointer<UInt8>) {
      if pixel[0] == UInt8(Self.possible) {
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
      for x in 0..<width where row[x] == UInt8(Self.certain) {
        row[x] = Self.edge
        visitNeighbors(row + x)
        while let pixel = pending.popLast() { visitNeighbors(pixel) }
      }
    }
  }

  /// 255 on edges, 0 elsewhere: call after `follow`.
  func image() -> Image {
    Image(width: width, height: height, channels: 1) { target in
      for y in 0..<height {
        let row = row(y)
        for x in 0..<width { target[y * width + x] = row[x] == Self.edge ? Self.edge : 0 }
      }
    }
  }
}
