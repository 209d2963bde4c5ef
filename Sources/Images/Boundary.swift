/// Where classes begin and end in a map of labels.
package enum Boundary {
  /// Marks the pixels that, for some class, belong to it and have one within `distance` that does not, or the other
  /// way round.
  ///
  /// Values from `classes` on belong to no class, and so does everything outside of the image: the frame of a
  /// image is a boundary of the classes that reach it. All that counts as one value "none", a pixel is marked
  /// exactly when some pixel within `distance` has another value, as then at least one of the two is a class. That is
  /// what distance transforms of each class, inside and outside, say together, without computing any.
  ///
  /// - Parameters:
  ///   - trainIds: an image of one channel.
  ///   - classes: classes are 0 ..< `classes`; at most 255.
  ///   - distance: Euclidean, in pixels.
  /// - Returns: an image of one channel, 1 on boundaries, 0 elsewhere.
  package static func map(of trainIds: Image, classes: Int = 19, distance: Int = 2) -> Image {
    precondition(trainIds.channels == 1, "a map of labels has one channel")
    precondition(
      (0...255).contains(classes) && distance >= 0, "at most 255 classes, and a distance that is not negative")
    let (width, height) = (trainIds.width, trainIds.height)
    let stride = width + 2 * distance

    // The labels with a frame of "none", and room for words to overhang.
    let count = stride * (height + 2 * distance) + 8
    let labels = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
    defer { labels.deallocate() }
    let none = UInt8.max
    labels.initialize(repeating: none, count: count)
    let first = labels + distance * stride + distance
    trainIds.withPixels { source in
      let classes = UInt8(classes)
      for y in 0..<height {
        for x in 0..<width {
          let label = source[y * width + x]
          first[y * stride + x] = label < classes ? label : none
        }
      }
    }

    return disk(distance, stride: stride).withUnsafeBufferPointer { disk in
      Image(width: width, height: height, channels: 1, slack: 8) { target in
        for y in 0..<height {
          for x in Swift.stride(from: 0, to: width, by: 8) {
            let here = first + y * stride + x
            let label = eight(here)
            var difference: UInt64 = 0
            for offset in disk { difference |= eight(here + offset) ^ label }
            UnsafeMutableRawPointer(target + y * width + x).storeBytes(
              of: onesWhereNotZero(difference), as: UInt64.self)
          }
        }
      }
    }
  }

  /// Eight pixels in one word, to be compared together.
  @inline(__always)
  private static func eight(_ pixels: UnsafeMutablePointer<UInt8>) -> UInt64 {
    UnsafeRawPointer(pixels).loadUnaligned(as: UInt64.self)
  }

  /// 1 in each byte of the word that is not 0: adding 127 to its lower bits carries into the highest, never beyond.
  @inline(__always)
  private static func onesWhereNotZero(_ word: UInt64) -> UInt64 {
    let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
    return ((((word & low) &+ low) | word) & ~low) &>> 7
  }

  /// How far the pixels within `distance` of a pixel are from it in memory.
  private static func disk(_ distance: Int, stride: Int) -> [Int] {
    var offsets = [Int]()
    for y in -distance...distance {
      for x in -distance...distance where (x, y) != (0, 0) && x * x + y * y <= distance * distance {
        offsets.append(y * stride + x)
      }
    }
    return offsets
  }
}
