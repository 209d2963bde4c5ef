import Tensors

/// Image resizing, bit-identical to `cv::resize` called with a factor for both sides.
package enum Resize {
  /// The length of a side after scaling: rounded, halves to even.
  package static func scaled(_ length: Int, by factor: Double) -> Int {
    max(1, Int((Double(length) * factor).rounded(.toNearestOrEven)))
  }

  /// The size of an image after scaling.
  package static func scaled(_ size: Size, by factor: Double) -> Size {
    Size(scaled(size.height, by: factor), scaled(size.width, by: factor))
  }

  /// `INTER_LINEAR`: bilinear interpolation with pixel centers at half-integers. Halving averages 2×2 pixels.
  ///
  /// - Parameters:
  ///   - image: the rows of `source(of: window, …)` must be in memory.
  ///   - window: the part of the result to compute; all of it if nil.
  package static func bilinear(_ image: ImageView, by factor: Double, window: Image.Rect? = nil) -> Image {
    let size = scaled(image.size, by: factor)
    let window = checked(window, size)
    if size == image.size { return image.cropped(to: window) }
    return factor == 0.5 ? halved(image, window) : interpolated(image, factor, window)
  }

  package static func bilinear(_ image: Image, by factor: Double, window: Image.Rect? = nil) -> Image {
    image.withView { bilinear($0, by: factor, window: window) }
  }

  /// `INTER_NEAREST`: pixel i of the result is pixel ⌊i / factor⌋ of the image.
  ///
  /// - Parameters:
  ///   - image: the rows of `source(of: window, …)` must be in memory.
  ///   - window: the part of the result to compute; all of it if nil.
  package static func nearest(_ image: ImageView, by factor: Double, window: Image.Rect? = nil) -> Image {
    let size = scaled(image.size, by: factor)
    let window = checked(window, size)
    if size == image.size { return image.cropped(to: window) }
    let channels = image.channels
    let columns = window.columns.map { nearest($0, factor, length: image.size.width) * channels }
    return columns.withUnsafeBufferPointer { columns in
      Image(window.size, channels: channels) { target in
        let count = window.size.width * channels
        var previous = -1
        for row in 0..<window.size.height {
          let source = nearest(window.y + row, factor, length: image.size.height)
          let line = target + row * count
          if source == previous {
            line.update(from: line - count, count: count)
            continue
          }
          previous = source
          let pixels = image.row(source)
          if channels == 1 {
            for x in 0..<window.size.width { line[x] = pixels[columns[x]] }
          } else {
            for x in 0..<window.size.width {
              line[3 * x] = pixels[columns[x]]
              line[3 * x + 1] = pixels[columns[x] + 1]
              line[3 * x + 2] = pixels[columns[x] + 2]
            }
          }
        }
      }
    }
  }

  package static func nearest(_ image: Image, by factor: Double, window: Image.Rect? = nil) -> Image {
    image.withView { nearest($0, by: factor, window: window) }
  }

  /// The pixel of a side of the image that is nearest to pixel `index` of the result.
  private static func nearest(_ index: Int, _ factor: Double, length: Int) -> Int {
    min(Int(Double(index) * (1 / factor)), length - 1)
  }

  /// The part of an image from which a window of the resized image is computed, by either interpolation.
  package static func source(of window: Image.Rect, in size: Size, by factor: Double) -> Image.Rect {
    func range(_ range: Range<Int>, _ length: Int) -> Range<Int> {
      if factor == 1 { return range }
      // If both sides round to their old lengths, the image is copied, not resampled: then the range itself is needed.
      let keepsLength = scaled(length, by: factor) == length
      let last = range.upperBound - 1
      // Of a smaller result the nearest pixel may lie before those that bilinear interpolation reads.
      let lower = min(
        max(position(range.lowerBound, factor).first, 0), nearest(range.lowerBound, factor, length: length))
      let upper = max(min(position(last, factor).first + 2, length), nearest(last, factor, length: length) + 1)
      return min(lower, keepsLength ? range.lowerBound : length - 1)..<max(upper, keepsLength ? range.upperBound : 1)
    }
    let (rows, columns) = (range(window.rows, size.height), range(window.columns, size.width))
    return Image.Rect(x: columns.lowerBound, y: rows.lowerBound, Size(rows.count, columns.count))
  }

  // MARK: - Bilinear

  private static func interpolated(_ image: ImageView, _ factor: Double, _ window: Image.Rect) -> Image {
    let channels = image.channels
    let columns = window.columns.map { Tap(at: $0, factor, length: image.size.width, channels: channels) }
    let count = window.size.width * channels
    let lines = UnsafeMutablePointer<Int16>.allocate(capacity: 2 * count)
    defer { lines.deallocate() }
    return columns.withUnsafeBufferPointer { columns in
      Image(window.size, channels: channels) { target in
        // Horizontally resized rows; row n is in slot n modulo 2, so that two adjacent rows are always there.
        var held = (-1, -1)
        func line(_ row: Int) -> UnsafeMutablePointer<Int16> {
          let line = lines + (row & 1) * count
          if (row & 1 == 0 ? held.0 : held.1) != row {
            resizeHorizontally(image.row(row), columns, channels, into: line)
            if row & 1 == 0 { held.0 = row } else { held.1 = row }
          }
          return line
        }
        for row in 0..<window.size.height {
          let (first, fraction) = position(window.y + row, factor)
          let above = line(min(max(first, 0), image.size.height - 1))
          let below = line(min(max(first + 1, 0), image.size.height - 1))
          interpolateRows(above, fixed(1 - fraction), below, fixed(fraction), count, into: target + row * count)
        }
      }
    }
  }

  /// Where result pixel `index` lies in the image: between pixel `first` and the next, at `fraction` of the way.
  private static func position(_ index: Int, _ factor: Double) -> (first: Int, fraction: Float) {
    let position = Float((Double(index) + 0.5) * (1 / factor) - 0.5)
    let first = position.rounded(.down)
    return (Int(first), position - first)
  }

  /// A weight in fixed point, in 2048ths.
  private static func fixed(_ weight: Float) -> Int32 { Int32((weight * 2048).rounded(.toNearestOrEven)) }

  /// The two values of a row that a result value interpolates, as offsets in the row, and their weights.
  private struct Tap {
    let left: Int32
    let right: Int32
    let leftWeight: Int32
    let rightWeight: Int32

    init(at index: Int, _ factor: Double, length: Int, channels: Int) {
      let (first, fraction) = Resize.position(index, factor)
      let inside = first >= 0 && first < length - 1
      let column = min(max(first, 0), length - 1)
      left = Int32(column * channels)
      right = Int32(min(column + 1, length - 1) * channels)
      leftWeight = Resize.fixed(inside ? 1 - fraction : 1)
      rightWeight = Resize.fixed(inside ? fraction : 0)
    }
  }

  /// A row at the new width, in 128ths: at most 255 · 2048 / 16, which fits 16 bits.
  private static func resizeHorizontally(
    _ row: UnsafePointer<UInt8>, _ columns: UnsafeBufferPointer<Tap>, _ channels: Int,
    into line: UnsafeMutablePointer<Int16>
  ) {
    @inline(__always)
    func value(_ tap: Tap, _ channel: Int) -> Int16 {
      let left = Int32(row[Int(tap.left) + channel]) &* tap.leftWeight
      let right = Int32(row[Int(tap.right) + channel]) &* tap.rightWeight
      return Int16(truncatingIfNeeded: (left &+ right) &>> 4)
    }
    if channels == 1 {
      for x in 0..<columns.count { line[x] = value(columns[x], 0) }
    } else {
      for x in 0..<columns.count {
        let tap = columns[x]
        line[3 * x] = value(tap, 0)
        line[3 * x + 1] = value(tap, 1)
        line[3 * x + 2] = value(tap, 2)
      }
    }
  }

  /// The weighted sum of two rows of the new width, rounded to gray levels. Each product is truncated to quarters first,
  /// as in OpenCV's 16-bit arithmetic.
  private static func interpolateRows(
    _ above: UnsafePointer<Int16>, _ aboveWeight: Int32, _ below: UnsafePointer<Int16>, _ belowWeight: Int32,
    _ count: Int, into target: UnsafeMutablePointer<UInt8>
  ) {
    let (aboveWeight, belowWeight) = (Int16(aboveWeight), Int16(belowWeight))
    for i in 0..<count {
      let upper = Int16(truncatingIfNeeded: (Int32(above[i]) &* Int32(aboveWeight)) &>> 16)
      let lower = Int16(truncatingIfNeeded: (Int32(below[i]) &* Int32(belowWeight)) &>> 16)
      target[i] = UInt8(truncatingIfNeeded: (upper &+ lower &+ 2) &>> 2)
    }
  }

  /// The mean over 2×2 pixels, over fewer at the end of an odd side.
  private static func halved(_ image: ImageView, _ window: Image.Rect) -> Image {
    let channels = image.channels
    return Image(window.size, channels: channels) { target in
      for row in 0..<window.size.height {
        let y = 2 * (window.y + row)
        let hasRowBelow = y + 1 < image.size.height
        let above = image.row(y) + 2 * window.x * channels
        let below = hasRowBelow ? above + image.stride : above
        let line = target + row * window.size.width * channels
        let whole = hasRowBelow ? min(window.size.width, image.size.width / 2 - window.x) : 0
        if channels == 1 {
          for x in 0..<whole { line[x] = mean(above + 2 * x, below + 2 * x, 1) }
        } else {
          for x in 0..<whole {
            line[3 * x] = mean(above + 6 * x, below + 6 * x, 3)
            line[3 * x + 1] = mean(above + 6 * x + 1, below + 6 * x + 1, 3)
            line[3 * x + 2] = mean(above + 6 * x + 2, below + 6 * x + 2, 3)
          }
        }
        for x in max(whole, 0)..<window.size.width {
          let hasColumnRight = 2 * (window.x + x) + 1 < image.size.width
          for channel in 0..<channels {
            let from = 2 * x * channels + channel
            let next = hasColumnRight ? from + channels : from
            let sum = Int(above[from]) + Int(above[next]) + Int(below[from]) + Int(below[next])
            line[x * channels + channel] = UInt8((Float(sum) / 4).rounded(.toNearestOrEven))
          }
        }
      }
    }
  }

  @inline(__always)
  private static func mean(_ above: UnsafePointer<UInt8>, _ below: UnsafePointer<UInt8>, _ next: Int) -> UInt8 {
    let sum = UInt16(above[0]) &+ UInt16(above[next]) &+ UInt16(below[0]) &+ UInt16(below[next])
    return UInt8(truncatingIfNeeded: (sum &+ 2) &>> 2)
  }

  private static func checked(_ window: Image.Rect?, _ size: Size) -> Image.Rect {
    let window = window ?? Image.Rect(size)
    precondition(window.lies(in: size), "the window must lie in the result")
    return window
  }
}
