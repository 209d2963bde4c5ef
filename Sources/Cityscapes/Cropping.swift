import Pictures
import Tensors

/// Resizes, normalises, pads, crops and flips in one pass: only pixels that the crop shows are ever computed.
enum Cropping {
  /// Where one picture of a batch goes, each of `H · W` pixels.
  struct Target {
    /// Eight floats a pixel: normalised red, green and blue, then zeros.
    let image: UnsafeMutablePointer<Float>
    let canny: UnsafeMutablePointer<Float>
    let trainIds: UnsafeMutablePointer<UInt8>
    let boundary: UnsafeMutablePointer<UInt8>
  }

  /// - Parameter size: of the crop. Beyond the resized picture it shows 0 after normalisation, and ignored labels.
  static func write(_ sample: Sample, _ augmentation: Augmentation, size: Size, to target: Target) {
    let rows = ResizedAxis(
      length: sample.picture.height, scale: augmentation.scale, origin: augmentation.row, crop: size.height)
    let columns = ResizedAxis(
      length: sample.picture.width, scale: augmentation.scale, origin: augmentation.column, crop: size.width)
    writePicture(sample.picture, rows, columns, size, augmentation.flip, to: target.image)
    writeMap(sample.canny, rows, columns, size, augmentation.flip, padding: 0, to: target.canny) { $0 == 0 ? 0 : 1 }
    writeMap(sample.boundary, rows, columns, size, augmentation.flip, padding: 0, to: target.boundary) { min($0, 1) }
    writeMap(
      sample.trainIds, rows, columns, size, augmentation.flip, padding: Label.ignored, to: target.trainIds
    ) { $0 }
  }

  /// Bilinear: a row of the crop is blended from two source rows, then each pixel from two neighbours in it.
  private static func writePicture(
    _ picture: Picture, _ rows: ResizedAxis, _ columns: ResizedAxis, _ size: Size, _ flip: Bool,
    to target: UnsafeMutablePointer<Float>
  ) {
    let left = columns.first.min().map { min($0, columns.second.min() ?? $0) } ?? 0
    let right = columns.first.max().map { max($0, columns.second.max() ?? $0) + 1 } ?? 0
    let step = flip ? -8 : 8
    withBytes(of: picture) { source in
      withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 3 * (right - left) + 1) { scratch in
        guard let blended = scratch.baseAddress else { return }
        normalised.withUnsafeBufferPointer { normalised in
          for row in 0..<size.height {
            var pixel = target + row * size.width * 8 + (flip ? (size.width - 1) * 8 : 0)
            var column = 0
            if row < rows.count {
              let upper = source + (rows.first[row] * picture.width + left) * 3
              let lower = source + (rows.second[row] * picture.width + left) * 3
              let share = rows.quarters[row]
              for index in 0..<3 * (right - left) {
                blended[index] = (4 &- share) &* UInt16(upper[index]) &+ share &* UInt16(lower[index])
              }
              columns.withNeighbours { first, second, quarters in
                while column < columns.count {
                  let near = blended + 3 * (first[column] - left)
                  let far = blended + 3 * (second[column] - left)
                  let share = quarters[column]
                  var colour = Vector()
                  colour[0] = normalised[Int(sixteenths(near[0], far[0], share))]
                  colour[1] = normalised[256 + Int(sixteenths(near[1], far[1], share))]
                  colour[2] = normalised[512 + Int(sixteenths(near[2], far[2], share))]
                  pixel.store(colour)
                  pixel += step
                  column += 1
                }
              }
            }
            while column < size.width {
              pixel.store(Vector())
              pixel += step
              column += 1
            }
          }
        }
      }
    }
  }

  /// The mean of two sums of four quarters, rounded.
  @inline(__always)
  private static func sixteenths(_ near: UInt16, _ far: UInt16, _ share: UInt16) -> UInt16 {
    ((4 &- share) &* near &+ share &* far &+ 8) &>> 4
  }

  /// Nearest neighbour: labels and edges have no values between.
  private static func writeMap<Value>(
    _ map: Picture, _ rows: ResizedAxis, _ columns: ResizedAxis, _ size: Size, _ flip: Bool, padding: Value,
    to target: UnsafeMutablePointer<Value>, _ value: (UInt8) -> Value
  ) {
    let step = flip ? -1 : 1
    withBytes(of: map) { source in
      columns.nearest.withUnsafeBufferPointer { nearest in
        for row in 0..<size.height {
          var pixel = target + row * size.width + (flip ? size.width - 1 : 0)
          var column = 0
          if row < rows.count {
            let line = source + rows.nearest[row] * map.width
            while column < nearest.count {
              pixel.pointee = value(line[nearest[column]])
              pixel += step
              column += 1
            }
          }
          while column < size.width {
            pixel.pointee = padding
            pixel += step
            column += 1
          }
        }
      }
    }
  }

  private static func withBytes(of picture: Picture, _ body: (UnsafePointer<UInt8>) -> Void) {
    picture.pixels.withUnsafeBufferPointer { pixels in
      if let start = pixels.baseAddress { body(start) }
    }
  }

  /// What each byte of red, of green and of blue becomes: `(byte / 255 − mean) / deviation` with ImageNet's figures.
  private static let normalised: [Float] = {
    let mean: [Float] = [0.485, 0.456, 0.406]
    let deviation: [Float] = [0.229, 0.224, 0.225]
    return (0..<3).flatMap { channel in (0..<256).map { (Float($0) / 255 - mean[channel]) / deviation[channel] } }
  }()
}
