import Tensors

/// The boundary pixels of each class in a label map, one pixel wide: those whose right, lower or lower right neighbor
/// differs in belonging to the class.
///
/// In the last row only the right neighbor counts, in the last column only the lower one, and the last pixel is no
/// boundary; as `seg2bmap` of the Berkeley segmentation benchmark, which DAVIS and GSCNN use.
struct ClassBoundaries {
  /// Indices y · width + x, ascending, by train id.
  private(set) var pixels: [[Int32]]

  /// - Parameters:
  ///   - trainIds: the classes; other values belong to none.
  ///   - classes: their number.
  init(of trainIds: [UInt8], classes: Int, _ size: Size) {
    pixels = [[Int32]](repeating: [], count: classes)
    trainIds.withUnsafeBufferPointer { trainIds in
      if let base = trainIds.baseAddress { find(base, size) }
    }
  }

  private mutating func find(_ trainIds: UnsafePointer<UInt8>, _ size: Size) {
    let (width, height) = (size.width, size.height)
    for y in 0..<height - 1 {
      let (row, below) = (trainIds + y * width, trainIds + (y + 1) * width)
      var x = 0
      while x < width - 1 {
        // Most pixels lie inside an area: eight at a time are skipped.
        while x + 9 <= width, Self.isUniform(row + x, below + x) { x += 8 }
        guard x < width - 1 else { break }
        add(y * width + x, row[x], row[x + 1], below[x], below[x + 1])
        x += 1
      }
      add(y * width + width - 1, row[width - 1], below[width - 1], row[width - 1], row[width - 1])
    }
    let last = trainIds + (height - 1) * width
    for x in 0..<width - 1 { add((height - 1) * width + x, last[x], last[x + 1], last[x], last[x]) }
  }

  /// Whether eight pixels and their neighbors, nine columns of two rows, have one value each.
  @inline(__always)
  private static func isUniform(_ row: UnsafePointer<UInt8>, _ below: UnsafePointer<UInt8>) -> Bool {
    func eight(_ pixels: UnsafePointer<UInt8>) -> UInt64 {
      UnsafeRawPointer(pixels).loadUnaligned(as: UInt64.self)
    }
    let here = eight(row)
    return (here ^ eight(row + 1)) | (here ^ eight(below)) | (here ^ eight(below + 1)) == 0
  }

  /// Adds a pixel to each class that some of four pixels belong to and some do not.
  @inline(__always)
  private mutating func add(_ pixel: Int, _ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
    if a == b, a == c, a == d { return }
    add(pixel, a)
    if b != a { add(pixel, b) }
    if c != a, c != b { add(pixel, c) }
    if d != a, d != b, d != c { add(pixel, d) }
  }

  @inline(__always)
  private mutating func add(_ pixel: Int, _ trainId: UInt8) {
    if Int(trainId) < pixels.count { pixels[Int(trainId)].append(Int32(pixel)) }
  }
}
