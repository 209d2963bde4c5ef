/// Images at other sizes, as `cv::resize` makes them, to the bit.
///
/// A size is given either as a factor or as width and height; the factor is then new / old along each side. That makes a
/// difference where old size times factor is not a whole number.
package enum Resize {
  /// The length of a side after scaling: rounded, halves to the even number.
  package static func scaled(_ length: Int, by factor: Double) -> Int {
    max(1, Int((Double(length) * factor).rounded(.toNearestOrEven)))
  }

  /// `INTER_LINEAR`: pixels are areas, their centers at half-integers; halving means over 2×2 pixels.
  ///
  /// - Parameter window: the part of the result to compute; all of it if nil.
  package static func bilinear(_ image: Image, by factor: Double, window: Image.Rect? = nil) -> Image {
    image.withView { bilinear($0, by: factor, window: window) }
  }

  /// - Parameter image: holds `source(of: window, …)` at least.
  package static func bilinear(_ image: ImageView, by factor: Double, window: Image.Rect? = nil) -> Image {
    let (width, height) = (scaled(image.width, by: factor), scaled(image.height, by: factor))
    return bilinear(image, width, height, factor, factor, window)
  }

  package static func bilinear(_ image: Image, width: Int, height: Int) -> Image {
    let (factorX, factorY) = (Double(width) / Double(image.width), Double(height) / Double(image.height))
    return image.withView { bilinear($0, width, height, factorX, factorY, nil) }
  }

  /// `INTER_NEAREST`: result pixel i is the image's pixel ⌊i / factor⌋.
  ///
  /// - Parameter window: the part of the result to compute; all of it if nil.
  package static func nearest(_ image: Image, by factor: Double, window: Image.Rect? = nil) -> Image {
    image.withView { nearest($0, by: factor, window: window) }
  }

  /// - Parameter image: holds `source(of: window, …)` at least.
  package static func nearest(_ image: ImageView, by factor: Double, window: Image.Rect? = nil) -> Image {
    let (width, height) = (scaled(image.width, by: factor), scaled(image.height, by: factor))
    return nearest(image, width, height, factor, factor, window)
  }

  package static func nearest(_ image: Image, width: Int, height: Int) -> Image {
    let (factorX, factorY) = (Double(width) / Double(image.width), Double(height) / Double(image.height))
    return image.withView { nearest($0, width, height, factorX, factorY, nil) }
  }

  /// The part of an image of `width` × `height` that a window of the resized one is made of.
  package static func source(of window: Image.Rect, width: Int, height: Int, by factor: Double) -> Image.Rect {
    func range(_ first: Int, _ count: Int, _ length: Int) -> Range<Int> {
      if factor == 1 { return first..<first + count }
      // Rounded to the length that it had, a side is not resampled where the other one is not either.
      let staysAsItIs = scaled(length, by: factor) == length
      let lower = max(position(first, factor).first, 0)
      let upper = min(position(first + count - 1, factor).first + 2, length)
      return min(lower, staysAsItIs ? first : length - 1)..<max(upper, staysAsItIs ? first + count : 1)
    }
    let rows = range(window.y, window.height, height)
    let columns = range(window.x, window.width, width)
    return Image.Rect(x: columns.lowerBound, y: rows.lowerBound, width: columns.count, height: rows.count)
  }

  // MARK: - Nearest pixel

  private static func nearest(
    _ image: ImageView, _ width: Int, _ height: Int, _ factorX: Double, _ factorY: Double, _ window: Image.Rect?
  ) -> Image {
    let window = checked(window, width, height)
    if (width, height) == (image.width, image.height) { return image.cropped(to: window) }
    let channels = image.channels
    let columns = (window.x..<window.x + window.width).map {
      min(Int(Double($0) * (1 / factorX)), image.width - 1) * channels
    }
    return columns.withUnsafeBufferPointer { columns in
      Image(width: window.width, height: window.height, channels: channels) { target in
        let count = window.width * channels
        var previous = -1
        for row in 0..<window.height {
          let from = min(Int(Double(window.y + row) * (1 / factorY)), image.height - 1)
          let line = target + row * count
          if from == previous {
            line.update(from: line - count, count: count)
            continue
          }
          previous = from
          let pixels = image.row(from)
          if channels == 1 {
            for x in 0..<window.width { line[x] = pixels[columns[x]] }
          } else {
            for x in 0..<window.width {
              line[3 * x] = pixels[columns[x]]
              line[3 * x + 1] = pixels[columns[x] + 1]
              line[3 * x + 2] = pixels[columns[x] + 2]
            }
          }
        }
      }
    }
  }

  // MARK: - Bilinear

  private static func bilinear(
    _ image: ImageView, _ width: Int, _ height: Int, _ factorX: Double, _ factorY: Double, _ window: Image.Rect?
  ) -> Image {
    let window = checked(window, width, height)
    if (width, height) == (image.width, image.height) { return image.cropped(to: window) }
    if factorX == 0.5 && factorY == 0.5 { return halved(image, window) }
    let channels = image.channels
    let columns = (window.x..<window.x + window.width).map {
      Tap(at: $0, factorX, length: image.width, channels: channels)
    }
    let count = window.width * channels
    let lines = UnsafeMutablePointer<Int16>.allocate(capacity: 2 * count)
    defer { lines.deallocate() }
    return columns.withUnsafeBufferPointer { columns in
      Image(width: window.width, height: window.height, channels: channels) { target in
        // Rows of the image at the new width, row n at place n modulo 2: a pair of neighbors is always at hand.
        var held = (-1, -1)
        func line(_ row: Int) -> UnsafeMutablePointer<Int16> {
          let line = lines + (row & 1) * count
          if (row & 1 == 0 ? held.0 : held.1) != row {
            stretch(image.row(row), columns, channels, into: line)
            if row & 1 == 0 { held.0 = row } else { held.1 = row }
          }
          return line
        }
        for row in 0..<window.height {
          let (first, share) = position(window.y + row, factorY)
          let above = line(min(max(first, 0), image.height - 1))
          let below = line(min(max(first + 1, 0), image.height - 1))
          mix(above, fixed(1 - share), below, fixed(share), count, into: target + row * count)
        }
      }
    }
  }

  /// Where result pixel `index` lies: between image pixel `first` and the next, `share` of the way.
  private static func position(_ index: Int, _ factor: Double) -> (first: Int, share: Float) {
    let place = Float((Double(index) + 0.5) * (1 / factor) - 0.5)
    let first = place.rounded(.down)
    return (Int(first), place - first)
  }

  /// A weight as a whole number of 2048ths.
  private static func fixed(_ weight: Float) -> Int32 { Int32((weight * 2048).rounded(.toNearestOrEven)) }

  /// The two values of a row that a result value is made of, as offsets in the row, and their weights.
  private struct Tap {
    let left: Int32
    let right: Int32
    let leftWeight: Int32
    let rightWeight: Int32

    init(at index: Int, _ factor: Double, length: Int, channels: Int) {
      let (first, share) = Resize.position(index, factor)
      let inside = first >= 0 && first < length - 1
      let place = min(max(first, 0), length - 1)
      left = Int32(place * channels)
      right = Int32(min(place + 1, length - 1) * channels)
      leftWeight = Resize.fixed(inside ? 1 - share : 1)
      rightWeight = Resize.fixed(inside ? share : 0)
    }
  }

  /// A row at the new width, in 128ths: at most 255 · 2048 / 16, which fits.
  private static func stretch(
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

  /// Two rows at the new width, weighted, back to whole gray levels. Each product is cut to quarters before they are
  /// added, as OpenCV's 16-bit arithmetic does it.
  private static func mix(
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

  /// The mean over 2×2 pixels; over fewer where an odd image ends.
  private static func halved(_ image: ImageView, _ window: Image.Rect) -> Image {
    let channels = image.channels
    return Image(width: window.width, height: window.height, channels: channels) { target in
      for row in 0..<window.height {
        let y = 2 * (window.y + row)
        let isWholeBelow = y + 1 < image.height
        let above = image.row(y) + 2 * window.x * channels
        let below = isWholeBelow ? above + image.stride : above
        let line = target + row * window.width * channels
        let whole = isWholeBelow ? min(window.width, image.width / 2 - window.x) : 0
        if channels == 1 {
          for x in 0..<whole { line[x] = mean(above + 2 * x, below + 2 * x, 1) }
        } else {
          for x in 0..<whole {
            line[3 * x] = mean(above + 6 * x, below + 6 * x, 3)
            line[3 * x + 1] = mean(above + 6 * x + 1, below + 6 * x + 1, 3)
            line[3 * x + 2] = mean(above + 6 * x + 2, below + 6 * x + 2, 3)
          }
        }
        for x in max(whole, 0)..<window.width {
          let isWholeRight = 2 * (window.x + x) + 1 < image.width
          for channel in 0..<channels {
            let from = 2 * x * channels + channel
            let next = isWholeRight ? from + channels : from
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

  private static func checked(_ window: Image.Rect?, _ width: Int, _ height: Int) -> Image.Rect {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    let window = window ?? Image.Rect(x: 0, y: 0, width: width, height: height)
    precondition(window.lies(in: width, height), "the window lies in the result")
    return window
  }
}
