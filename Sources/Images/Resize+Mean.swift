import Tensors

extension Resize {
  /// Resizes an image for people to look at: each pixel of the result is the mean over the area of the image that it
  /// covers. What is enlarged shows its pixels as squares.
  package static func mean(_ image: Image, to size: Size) -> Image {
    guard size != image.size else { return image }
    let (rows, columns) = (spans(image.size.height, size.height), spans(image.size.width, size.width))
    let (channels, count) = (image.channels, size.width * image.channels)
    // A row of the image at the new width is used by at most two rows of the result, one after the other.
    var narrowed = (row: -1, values: [Float](repeating: 0, count: count))
    var sums = narrowed.values
    return image.withPixels { source in
      Image(size, channels: channels) { target in
        for (y, span) in rows.enumerated() {
          for i in 0..<count { sums[i] = 0 }
          for (row, weight) in span.weights {
            if narrowed.row != row {
              narrow(source + row * image.size.width * channels, columns, channels, into: &narrowed.values)
              narrowed.row = row
            }
            for i in 0..<count { sums[i] += weight * narrowed.values[i] }
          }
          for i in 0..<count { target[y * count + i] = UInt8(min(sums[i].rounded(), 255)) }
        }
      }
    }
  }

  /// The size of an image that is made this wide.
  package static func size(_ image: Size, width: Int) -> Size {
    Size(max(1, Int((Double(image.height) * Double(width) / Double(image.width)).rounded())), width)
  }

  /// The largest size with the proportions of an image inside a box.
  package static func size(_ image: Size, fitting box: Size) -> Size {
    let wide = size(image, width: box.width)
    guard wide.height > box.height else { return wide }
    let width = (Double(image.width) * Double(box.height) / Double(image.height)).rounded()
    return Size(box.height, min(max(1, Int(width)), box.width))
  }

  /// The pixels of a side that one pixel of the result covers.
  private struct Span {
    let first: Int
    /// Of the first and the next ones; their sum is 1.
    let shares: [Float]

    var weights: some Sequence<(pixel: Int, weight: Float)> {
      shares.enumerated().lazy.map { (pixel: first + $0.offset, weight: $0.element) }
    }
  }

  private static func spans(_ length: Int, _ count: Int) -> [Span] {
    (0..<count).map { index in
      // In units of 1 / (length · count), so that all of it is exact.
      let (begin, end) = (index * length, (index + 1) * length)
      let first = begin / count
      let last = (end - 1) / count
      return Span(
        first: first,
        shares: (first...last).map { pixel in
          Float(min(end, (pixel + 1) * count) - max(begin, pixel * count)) / Float(length)
        })
    }
  }

  private static func narrow(
    _ row: UnsafePointer<UInt8>, _ columns: [Span], _ channels: Int, into values: inout [Float]
  ) {
    for (x, span) in columns.enumerated() {
      for channel in 0..<channels {
        var sum: Float = 0
        for (offset, weight) in span.shares.enumerated() {
          sum += weight * Float(row[(span.first + offset) * channels + channel])
        }
        values[x * channels + channel] = sum
      }
    }
  }
}
