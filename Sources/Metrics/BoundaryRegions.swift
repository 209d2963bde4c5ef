import Tensors

/// How the boundary regions of two label maps overlap: of each class, the pixels within a distance of any pixel that is
/// not of the class, measured along rows, columns and diagonals. Pixels outside the image belong to no class.
///
/// Cheng et al., *Boundary IoU*, CVPR 2021: a mask without its erosion by `distance` steps of 3×3. A pixel lies in the
/// region of its class unless the square around it is uniform, so that one pass serves all classes.
struct BoundaryRegions {
  /// Pixels by train id.
  let intersection: [Int]
  let union: [Int]

  /// - Parameters:
  ///   - prediction: train ids; other values belong to no class.
  ///   - truth: likewise.
  ///   - distance: in pixels, 1 or more.
  init(_ prediction: [UInt8], _ truth: [UInt8], classes: Int, _ size: Size, distance: Int) {
    let (width, height) = (size.width, size.height)
    var (first, second) = (UniformSquares(width, distance), UniformSquares(width, distance))
    var (regions, both) = ([Int](repeating: 0, count: 256), [Int](repeating: 0, count: 256))
    prediction.withUnsafeBufferPointer { prediction in
      truth.withUnsafeBufferPointer { truth in
        guard let prediction = prediction.baseAddress, let truth = truth.baseAddress else { return }
        for y in 0..<height + distance {
          // The square around row y − distance ends in row y; below the image none is uniform.
          if y < height {
            first.advance(to: prediction + y * width)
            second.advance(to: truth + y * width)
          }
          guard y >= distance else { continue }
          let row = (y - distance) * width
          for x in 0..<width {
            let (a, b) = (Int(prediction[row + x]), Int(truth[row + x]))
            let isInFirst = y >= height || !first.isUniform(x)
            let isInSecond = y >= height || !second.isUniform(x)
            regions[a] += isInFirst ? 1 : 0
            regions[b] += isInSecond ? 1 : 0
            both[a] += isInFirst && isInSecond && a == b ? 1 : 0
          }
        }
      }
    }
    intersection = Array(both[..<classes])
    union = (0..<classes).map { regions[$0] - both[$0] }
  }
}

/// Walks down a label map and tells which squares of 2 · `distance` + 1 pixels, ending in the current row, have one
/// value.
private struct UniformSquares {
  private let distance: Int
  /// Of each column, how many rows up to the current one continue the same value at the middle of a uniform stretch of
  /// 2 · `distance` + 1 columns.
  private var rows: [Int32]
  private var stretches: [Int32]
  private var previous: UnsafePointer<UInt8>?

  init(_ width: Int, _ distance: Int) {
    self.distance = distance
    rows = [Int32](repeating: 0, count: width)
    stretches = [Int32](repeating: 0, count: width)
  }

  func isUniform(_ x: Int) -> Bool { rows[x] > 2 * distance }

  mutating func advance(to row: UnsafePointer<UInt8>) {
    let width = rows.count
    for x in 0..<width { stretches[x] = 0 }
    var start = 0
    while start < width {
      var end = start + 1
      while end < width, row[end] == row[start] { end += 1 }
      // Columns whose neighbors on both sides lie in the run.
      for x in start + distance..<max(start + distance, end - distance) { stretches[x] = 1 }
      start = end
    }
    let above = previous ?? row
    for x in 0..<width {
      let continues: Int32 = above[x] == row[x] ? 1 : 0
      rows[x] = stretches[x] * (1 + continues * rows[x])
    }
    previous = row
  }
}
