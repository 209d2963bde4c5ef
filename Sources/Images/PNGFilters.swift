/// PNG's predictions of a row from what stands to the left and above (PNG specification, section 9), undone.
enum PNGFilter: UInt8 {
  case none, sub, up, average, paeth

  /// Bytes beyond the end of each row that may be read and, of the result, written.
  static let slack = 16

  /// Whether the row above is needed.
  var looksUp: Bool { rawValue >= Self.up.rawValue }

  /// - Parameters:
  ///   - differences: the row as it is in the file.
  ///   - above: the row above, undone; zeros above the first one.
  ///   - row: takes the result.
  ///   - count: bytes from the left; the rest of the row is left alone.
  ///   - channels: bytes of a pixel, 1 or 3.
  func undo(
    _ differences: UnsafePointer<UInt8>, above: UnsafePointer<UInt8>, to row: UnsafeMutablePointer<UInt8>, count: Int,
    channels: Int
  ) {
    switch self {
    case .none: row.update(from: differences, count: count)
    case .up: for x in 0..<count { row[x] = differences[x] &+ above[x] }
    case .sub where channels == 1: Self.undo1(differences, above, row, count) { left, _, _ in left }
    case .sub: Self.undo3(differences, above, row, count) { left, _, _ in left }
    case .average where channels == 1:
      Self.undo1(differences, above, row, count) { left, above, _ in (left &+ above) &>> 1 }
    case .average: Self.undo3(differences, above, row, count) { left, above, _ in (left &+ above) &>> 1 }
    case .paeth where channels == 1: Self.undo1(differences, above, row, count, predicted: Self.paeth)
    case .paeth: Self.undo3(differences, above, row, count, predicted: Self.paeth)
    }
  }

  /// Values of a pixel's channels; the lanes beyond them mean nothing.
  private typealias Lanes = SIMD8<Int16>

  @inline(__always)
  private static func undo3(
    _ differences: UnsafePointer<UInt8>, _ above: UnsafePointer<UInt8>, _ row: UnsafeMutablePointer<UInt8>,
    _ count: Int, predicted: (_ left: Lanes, _ above: Lanes, _ aboveLeft: Lanes) -> Lanes
  ) {
    let bytes = Lanes(repeating: 255)
    var (left, aboveLeft) = (Lanes(), Lanes())
    var x = 0
    while x < count {
      let up = lanes(above + x)
      left = (lanes(differences + x) &+ predicted(left, up, aboveLeft)) & bytes
      aboveLeft = up
      // What is too much to the right is written again, by the next pixel or the next row.
      UnsafeMutableRawPointer(row + x).storeBytes(
        of: SIMD8<UInt8>(truncatingIfNeeded: left), as: SIMD8<UInt8>.self)
      x &+= 3
    }
  }

  @inline(__always)
  private static func lanes(_ pixel: UnsafePointer<UInt8>) -> Lanes {
    Lanes(truncatingIfNeeded: UnsafeRawPointer(pixel).loadUnaligned(as: SIMD8<UInt8>.self))
  }

  /// The one of three neighbors that is nearest to left + above − above left; of equals the first.
  @inline(__always)
  private static func paeth(_ left: Lanes, _ above: Lanes, _ aboveLeft: Lanes) -> Lanes {
    let (rise, run) = (above &- aboveLeft, left &- aboveLeft)
    let (toLeft, toAbove, toAboveLeft) = (magnitudes(rise), magnitudes(run), magnitudes(rise &+ run))
    var nearest = above
    nearest.replace(with: aboveLeft, where: toAbove .> toAboveLeft)
    nearest.replace(with: left, where: (toLeft .<= toAbove) .& (toLeft .<= toAboveLeft))
    return nearest
  }

  @inline(__always)
  private static func magnitudes(_ lanes: Lanes) -> Lanes {
    lanes.replacing(with: Lanes() &- lanes, where: lanes .< Lanes())
  }

  @inline(__always)
  private static func undo1(
    _ differences: UnsafePointer<UInt8>, _ above: UnsafePointer<UInt8>, _ row: UnsafeMutablePointer<UInt8>,
    _ count: Int, predicted: (_ left: Int, _ above: Int, _ aboveLeft: Int) -> Int
  ) {
    var (left, aboveLeft) = (0, 0)
    for x in 0..<count {
      let up = Int(above[x])
      left = (Int(differences[x]) &+ predicted(left, up, aboveLeft)) & 255
      aboveLeft = up
      row[x] = UInt8(truncatingIfNeeded: left)
    }
  }

  @inline(__always)
  private static func paeth(_ left: Int, _ above: Int, _ aboveLeft: Int) -> Int {
    let (rise, run) = (above &- aboveLeft, left &- aboveLeft)
    let (toLeft, toAbove, toAboveLeft) = (abs(rise), abs(run), abs(rise &+ run))
    let other = toAbove <= toAboveLeft ? above : aboveLeft
    return toLeft <= toAbove && toLeft <= toAboveLeft ? left : other
  }
}
