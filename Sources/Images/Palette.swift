/// Colors for the values of a map.
package enum Palette {
  package typealias Color = (red: UInt8, green: UInt8, blue: UInt8)

  /// Shows each value of a map as a color.
  ///
  /// - Parameters:
  ///   - indices: an image of one channel.
  ///   - table: the color of value 0, of value 1, and so on; at most 256.
  ///   - other: the color of values beyond the table.
  /// - Returns: an RGB image of the same size.
  package static func colored(
    _ indices: Image, by table: [Color], other: Color = (red: 0, green: 0, blue: 0)
  ) -> Image {
    precondition(indices.channels == 1, "a map of values has one channel")
    precondition(table.count <= 256, "a table has at most 256 colors")
    var triples = [UInt8]()
    for value in 0..<256 {
      let color = value < table.count ? table[value] : other
      triples += [color.red, color.green, color.blue]
    }
    return triples.withUnsafeBufferPointer { triples in
      indices.withPixels { source in
        Image(indices.size, channels: 3) { target in
          for pixel in 0..<indices.size.height * indices.size.width {
            let entry = 3 * Int(source[pixel])
            target[3 * pixel] = triples[entry]
            target[3 * pixel + 1] = triples[entry + 1]
            target[3 * pixel + 2] = triples[entry + 2]
          }
        }
      }
    }
  }

  /// Two images of one size and kind, half and half.
  package static func blended(_ one: Image, _ other: Image) -> Image {
    precondition(one.size == other.size && one.channels == other.channels, "images to blend are of one size and kind")
    var result = one
    for index in result.pixels.indices {
      result.pixels[index] = UInt8((UInt16(one.pixels[index]) + UInt16(other.pixels[index]) + 1) / 2)
    }
    return result
  }
}
