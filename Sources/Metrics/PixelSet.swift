import Tensors

/// A set of pixels of an image, one bit each, that finds the nearest member of a pixel.
///
/// A search reads a word or two of each row. An image of 2048×1024 takes 256 KiB, which stays in the cache, and only the
/// words of members are written.
final class PixelSet {
  private let size: Size
  private let wordsPerRow: Int
  private let words: UnsafeMutablePointer<UInt64>

  /// An empty set.
  init(_ size: Size) {
    self.size = size
    wordsPerRow = (size.width + 63) / 64
    words = .allocate(capacity: wordsPerRow * size.height)
    words.initialize(repeating: 0, count: wordsPerRow * size.height)
  }

  deinit { words.deallocate() }

  /// - Parameter pixels: indices y · width + x.
  func insert(_ pixels: [Int32]) {
    for pixel in pixels {
      let (y, x) = Int(pixel).quotientAndRemainder(dividingBy: size.width)
      words[y * wordsPerRow + x / 64] |= 1 << UInt64(x % 64)
    }
  }

  /// Empties a set that holds no other pixels.
  func remove(_ pixels: [Int32]) {
    for pixel in pixels {
      let (y, x) = Int(pixel).quotientAndRemainder(dividingBy: size.width)
      words[y * wordsPerRow + x / 64] = 0
    }
  }

  /// The squared Euclidean distance of a pixel to the nearest member; nil if it is more than `radius` pixels.
  func squaredDistance(from pixel: Int32, within radius: Int) -> Int? {
    let (y, x) = Int(pixel).quotientAndRemainder(dividingBy: size.width)
    var nearest = radius * radius + 1
    func search(_ row: Int, _ rows: Int) {
      guard row >= 0, row < size.height else { return }
      let columns = distance(in: words + row * wordsPerRow, from: x, within: radius)
      nearest = min(nearest, columns * columns + rows * rows)
    }
    search(y, 0)
    // Rows in the order of their distance, until none can hold a nearer member.
    var rows = 1
    while rows * rows < nearest, rows <= radius {
      search(y - rows, rows)
      search(y + rows, rows)
      rows += 1
    }
    return nearest > radius * radius ? nil : nearest
  }

  /// The columns between `x` and the nearest member of a row; more than `radius` if there is none as near.
  @inline(__always)
  private func distance(in row: UnsafePointer<UInt64>, from x: Int, within radius: Int) -> Int {
    let (word, bit) = x.quotientAndRemainder(dividingBy: 64)
    var nearest = radius + 1
    let right = row[word] >> UInt64(bit)
    if right != 0 {
      nearest = min(nearest, right.trailingZeroBitCount)
    } else {
      var (next, columns) = (word + 1, 64 - bit)
      while columns < nearest, next < wordsPerRow {
        if row[next] != 0 { nearest = min(nearest, columns + row[next].trailingZeroBitCount) }
        (next, columns) = (next + 1, columns + 64)
      }
    }
    let left = row[word] << UInt64(63 - bit)
    if left != 0 {
      nearest = min(nearest, left.leadingZeroBitCount)
    } else {
      var (next, columns) = (word - 1, bit + 1)
      while columns < nearest, next >= 0 {
        if row[next] != 0 { nearest = min(nearest, columns + row[next].leadingZeroBitCount) }
        (next, columns) = (next - 1, columns + 64)
      }
    }
    return nearest
  }
}
