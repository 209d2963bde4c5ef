import Foundation
import Tensors

/// Gaussian blur of an 8-bit image, as SciPy's `gaussian_filter` and scikit-image's `gaussian` with their defaults: the
/// kernel is truncated at four standard deviations, and the outermost pixels are repeated outside.
package enum GaussianBlur {
  /// Pixels on either side of the center that the kernel covers: ⌊4σ + ½⌋.
  package static func radius(sigma: Double) -> Int { Int(4 * sigma + 0.5) }

  /// The blurred image: columns, then rows, in single precision; rounded once at the end, halves to even. Blurring a
  /// mirrored image gives the mirrored result, bit for bit.
  ///
  /// - Parameter sigma: standard deviation in pixels. Below 0.125 the kernel is a single pixel.
  package static func blurred(_ image: Image, sigma: Double) -> Image {
    let radius = radius(sigma: sigma)
    guard radius > 0 else { return image }
    let weights = weights(sigma: sigma, radius: radius)
    let (height, channels) = (image.size.height, image.channels)
    let (count, border) = (image.size.width * channels, radius * channels)
    let floats = UnsafeMutablePointer<Float>.allocate(capacity: height * count)
    let line = UnsafeMutablePointer<Float>.allocate(capacity: count + 2 * border)
    let sums = UnsafeMutablePointer<Float>.allocate(capacity: count)
    defer {
      floats.deallocate()
      line.deallocate()
      sums.deallocate()
    }
    image.withPixels { bytes in for index in 0..<height * count { floats[index] = Float(bytes[index]) } }
    return weights.withUnsafeBufferPointer { weights in
      Image(image.size, channels: channels) { target in
        for y in 0..<height {
          let inside = line + border
          multiply(floats + y * count, weights[0], count, into: inside)
          for offset in 1...radius {
            let (above, below) = (max(y - offset, 0), min(y + offset, height - 1))
            add(floats + above * count, floats + below * count, weights[offset], count, to: inside)
          }
          for index in 0..<border {
            line[index] = inside[index % channels]
            inside[count + index] = inside[count - channels + index % channels]
          }
          multiply(inside, weights[0], count, into: sums)
          for offset in 1...radius {
            add(inside - offset * channels, inside + offset * channels, weights[offset], count, to: sums)
          }
          round(sums, count, into: target + y * count)
        }
      }
    }
  }

  /// The center's weight, and those at distance 1, 2, …; with both sides their sum is 1.
  private static func weights(sigma: Double, radius: Int) -> [Float] {
    let values = (0...radius).map { exp(-0.5 / (sigma * sigma) * Double($0 * $0)) }
    let sum = values[0] + 2 * values.dropFirst().reduce(0, +)
    return values.map { Float($0 / sum) }
  }

  private static func multiply(
    _ values: UnsafePointer<Float>, _ weight: Float, _ count: Int, into target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<count { target[index] = weight * values[index] }
  }

  private static func add(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ weight: Float, _ count: Int,
    to target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<count { target[index] += weight * (left[index] + right[index]) }
  }

  /// Values from 0 to 255: adding 2²³ leaves the rounded value in the last bits, without a branch, so that the compiler
  /// vectorizes the loop.
  private static func round(_ values: UnsafePointer<Float>, _ count: Int, into target: UnsafeMutablePointer<UInt8>) {
    for index in 0..<count { target[index] = UInt8(truncatingIfNeeded: (values[index] + 8_388_608).bitPattern) }
  }
}
