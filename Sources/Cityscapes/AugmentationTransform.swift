import Images
import Tensors

/// Applies an augmentation: resize, crop, change colors, blur, normalize, pad, flip. Only the part of the resized image
/// inside the crop is computed; the edges and boundaries are those of the unchanged image.
enum AugmentationTransform {
  /// Writes one image of a batch, `H · W` pixels each.
  ///
  /// - Parameters:
  ///   - sample: the rows of `augmentation.source(of: …, crop: crop)` must be in memory.
  ///   - crop: its size. Beyond the resized image it holds 0 after normalization, and ignored labels.
  ///   - normalization: of the image's bytes.
  ///   - image: eight floats a pixel: normalized red, green and blue, then zeros.
  static func apply(
    _ augmentation: Augmentation, to sample: SampleView, crop: Size, _ normalization: Normalization,
    image: UnsafeMutablePointer<Float>, canny: UnsafeMutablePointer<Float>, trainIds: UnsafeMutablePointer<UInt8>,
    boundary: UnsafeMutablePointer<UInt8>
  ) {
    let (factor, flip) = (augmentation.scale, augmentation.flip)
    let window = augmentation.visiblePart(of: sample.size, crop: crop)

    var colors = Resize.bilinear(sample.image, by: factor, window: window)
    for change in augmentation.colors { colors.apply(change) }
    if augmentation.blur > 0 { colors = GaussianBlur.blurred(colors, sigma: augmentation.blur) }
    normalization.table.withUnsafeBufferPointer { normalized in
      write(colors, in: crop, flip, padding: Pixel(), to: UnsafeMutableRawPointer(image)) { bytes in
        var pixel = Pixel()
        pixel[0] = normalized[Int(bytes[0])]
        pixel[1] = normalized[256 + Int(bytes[1])]
        pixel[2] = normalized[512 + Int(bytes[2])]
        return pixel
      }
    }
    let truth = Resize.nearest(sample.truth, by: factor, window: window)
    if truth.channels == 3 {
      write(truth, in: crop, flip, padding: Label.ignored, to: UnsafeMutableRawPointer(trainIds)) { $0[0] }
      write(truth, in: crop, flip, padding: 0 as Float, to: UnsafeMutableRawPointer(canny)) { $0[1] == 0 ? 0 : 1 }
      write(truth, in: crop, flip, padding: 0 as UInt8, to: UnsafeMutableRawPointer(boundary)) { $0[2] == 0 ? 0 : 1 }
      return
    }
    write(truth, in: crop, flip, padding: GroundTruth.padding, to: UnsafeMutableRawPointer(trainIds)) { $0[0] }
    // Unpacked in three loops over contiguous pixels, which the compiler vectorizes; train ids last, in place.
    let count = crop.height * crop.width
    for pixel in 0..<count { canny[pixel] = GroundTruth.canny(trainIds[pixel]) }
    for pixel in 0..<count { boundary[pixel] = GroundTruth.boundary(trainIds[pixel]) }
    for pixel in 0..<count { trainIds[pixel] = GroundTruth.trainId(trainIds[pixel]) }
  }

  /// A pixel of the network's input: three values and the padding of `Shape.stride`.
  private typealias Pixel = SIMD8<Float>

  /// Writes the `value` of each pixel into the crop, left to right or, flipped, right to left.
  @inline(__always)
  private static func write<Value>(
    _ image: Image, in size: Size, _ flip: Bool, padding: Value, to target: UnsafeMutableRawPointer,
    _ value: (UnsafePointer<UInt8>) -> Value
  ) {
    let bytes = MemoryLayout<Value>.stride
    let step = flip ? -bytes : bytes
    image.pixels.withUnsafeBufferPointer { pixels in
      guard var source = pixels.baseAddress else { return }
      for row in 0..<size.height {
        // Tensors are aligned to 64 bytes, which the compiler cannot know here: it emits unaligned stores, as fast.
        var pixel = target + (row * size.width + (flip ? size.width - 1 : 0)) * bytes
        let visible = row < image.size.height ? image.size.width : 0
        for _ in 0..<visible {
          pixel.storeBytes(of: value(source), as: Value.self)
          source += image.channels
          pixel += step
        }
        for _ in visible..<size.width {
          pixel.storeBytes(of: padding, as: Value.self)
          pixel += step
        }
      }
    }
  }
}

extension Normalization {
  /// The number for each byte of red, of green and of blue.
  fileprivate var table: [Float] {
    switch self {
    case .imagenet: Self.imagenetTable
    case .half: Self.halfTable
    }
  }

  private static let imagenetTable = imagenet.makeTable()
  private static let halfTable = half.makeTable()

  private func makeTable() -> [Float] {
    (0..<3).flatMap { channel in (0..<256).map { (Float($0) / 255 - mean[channel]) / deviation[channel] } }
  }
}
