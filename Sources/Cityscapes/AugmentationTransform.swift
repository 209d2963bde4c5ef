import Images
import Tensors

/// Resizes, crops, normalizes, pads and flips: only the part of the resized image that the crop shows is computed.
enum AugmentationTransform {
  /// Where one image of a batch goes, each of `H · W` pixels.
  struct Target {
    /// Eight floats a pixel: normalized red, green and blue, then zeros.
    let image: UnsafeMutablePointer<Float>
    let canny: UnsafeMutablePointer<Float>
    let trainIds: UnsafeMutablePointer<UInt8>
    let boundary: UnsafeMutablePointer<UInt8>
  }

  /// - Parameters:
  ///   - sample: holds `augmentation.source(of: …, crop: size)` at least.
  ///   - size: of the crop. Beyond the resized image it shows 0 after normalization, and ignored labels.
  static func write(_ sample: SampleView, _ augmentation: Augmentation, size: Size, to target: Target) {
    let (factor, flip) = (augmentation.scale.factor, augmentation.flip)
    let window = augmentation.shown(of: sample.size, crop: size)

    let colors = Resize.bilinear(sample.image, by: factor, window: window)
    normalized.withUnsafeBufferPointer { normalized in
      place(colors, in: size, flip, padding: Color(), to: UnsafeMutableRawPointer(target.image)) { pixel in
        var color = Color()
        color[0] = normalized[Int(pixel[0])]
        color[1] = normalized[256 + Int(pixel[1])]
        color[2] = normalized[512 + Int(pixel[2])]
        return color
      }
    }
    let truth = Resize.nearest(sample.truth, by: factor, window: window)
    place(truth, in: size, flip, padding: GroundTruth.nothing, to: UnsafeMutableRawPointer(target.trainIds)) { $0[0] }
    // Each map is a loop of its own from the first, in which pixels are in place: such loops become vector instructions.
    let count = size.height * size.width
    for pixel in 0..<count { target.canny[pixel] = GroundTruth.canny(target.trainIds[pixel]) }
    for pixel in 0..<count { target.boundary[pixel] = GroundTruth.boundary(target.trainIds[pixel]) }
    for pixel in 0..<count { target.trainIds[pixel] = GroundTruth.trainId(target.trainIds[pixel]) }
  }

  /// A pixel of the network's input: three values and the padding of `Shape.stride`.
  private typealias Color = SIMD8<Float>

  /// Writes each pixel's `value` to its place in the crop, from the left or, flipped, from the right.
  @inline(__always)
  private static func place<Value>(
    _ image: Image, in size: Size, _ flip: Bool, padding: Value, to target: UnsafeMutableRawPointer,
    _ value: (UnsafePointer<UInt8>) -> Value
  ) {
    let bytes = MemoryLayout<Value>.stride
    let step = flip ? -bytes : bytes
    image.pixels.withUnsafeBufferPointer { pixels in
      guard var source = pixels.baseAddress else { return }
      for row in 0..<size.height {
        // Tensors are aligned to 64 bytes; where the compiler cannot know, it takes unaligned stores at no cost.
        var pixel = target + (row * size.width + (flip ? size.width - 1 : 0)) * bytes
        let shown = row < image.height ? image.width : 0
        for _ in 0..<shown {
          pixel.storeBytes(of: value(source), as: Value.self)
          source += image.channels
          pixel += step
        }
        for _ in shown..<size.width {
          pixel.storeBytes(of: padding, as: Value.self)
          pixel += step
        }
      }
    }
  }

  /// What each byte of red, of green and of blue becomes: `(byte / 255 − mean) / deviation` with ImageNet's figures.
  private static let normalized: [Float] = {
    let mean: [Float] = [0.485, 0.456, 0.406]
    let deviation: [Float] = [0.229, 0.224, 0.225]
    return (0..<3).flatMap { channel in (0..<256).map { (Float($0) / 255 - mean[channel]) / deviation[channel] } }
  }()
}
