/// Colours for the values of a map.
package enum Palette {
  package typealias Colour = (red: UInt8, green: UInt8, blue: UInt8)

  /// The picture that shows each value of a map as a colour.
  ///
  /// - Parameters:
  ///   - indices: a picture of one channel.
  ///   - table: the colour of value 0, of value 1, and so on; at most 256.
  ///   - other: the colour of values beyond the table.
  /// - Returns: an RGB picture of the same size.
  package static func coloured(
    _ indices: Picture, by table: [Colour], other: Colour = (red: 0, green: 0, blue: 0)
  ) -> Picture {
    precondition(indices.channels == 1, "a map of values has one channel")
    precondition(table.count <= 256, "a table has at most 256 colours")
    var triples = [UInt8]()
    for value in 0..<256 {
      let colour = value < table.count ? table[value] : other
      triples += [colour.red, colour.green, colour.blue]
    }
    return triples.withUnsafeBufferPointer { triples in
      indices.withPixels { source in
        Picture(width: indices.width, height: indices.height, channels: 3) { target in
          for pixel in 0..<indices.width * indices.height {
            let entry = 3 * Int(source[pixel])
            target[3 * pixel] = triples[entry]
            target[3 * pixel + 1] = triples[entry + 1]
            target[3 * pixel + 2] = triples[entry + 2]
          }
        }
      }
    }
  }
}
