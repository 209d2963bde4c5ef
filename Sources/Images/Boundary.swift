import Tensors

/// Class boundaries of a label map, the ground truth of the shape stream.
package enum Boundary {
  /// Marks the pixels within `distance` of a boundary of some class, on either side of it.
  ///
  /// Values from `classes` on belong to no class; neither do pixels outside the image, so the border of the image is a
  /// boundary of the classes that touch it. With all of these as one value "none", a pixel is marked exactly when a
  /// pixel within `distance` has another value, since at least one of the two is then a class. The result equals that
  /// of distance transforms of each class, inside and outside.
  ///
  /// - Parameters:
  ///   - trainIds: an image of one channel.
  ///   - classes: classes are 0 ..< `classes`; at most 255.
  ///   - distance: Euclidean, in pixels.
  /// - Returns: an image of one channel, 1 on boundaries, 0 elsewhere.
  package static func map(of trainIds: Image, classes: Int, distance: Int = 2) -> Image {
    precondition(trainIds.channels == 1, "a label map has one channel")
    precondition((0...255).contains(classes) && distance >= 0, "at most 255 classes and a distance of 0 or more")
    let (width, height) = (trainIds.size.width, trainIds.size.height)
    let stride = width + 2 * distance

    // The labels in a border of "none", with padding for reads of 8 bytes.
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
      Image(trainIds.size, channels: 1, padding: 8) { target in
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

  /// Eight pixels as one word.
  @inline(__always)
  private static func eight(_ pixels: UnsafeMutablePointer<UInt8>) -> UInt64 {
    UnsafeRawPointer(pixels).loadUnaligned(as: UInt64.self)
  }

  /// 1 for each byte of the word that is not 0: adding 127 to its low 7 bits carries into bit 7, never further.
  @inline(__always)
  private static func onesWhereNotZero(_ word: UInt64) -> UInt64 {
    let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
    return ((((word & low) &+ low) | word) & ~low) &>> 7
  }

  /// Memory offsets of the pixels within `distance` of a pixel.
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
