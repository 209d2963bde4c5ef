import Images
import Tensors

/// The contents of a batch as images, to look at.
extension Batch {
  /// The image of a slot as 8-bit RGB: what the normalization has made of bytes becomes these bytes again. Padding becomes
  /// the mean color.
  package func rgb(_ slot: Int, _ normalization: Normalization) -> Image {
    let (pixels, stride) = (image.image(slot), image.shape.stride)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(3 * image.shape.pixelsPerImage)
    for pixel in 0..<image.shape.pixelsPerImage {
      for channel in 0..<3 {
        let value = pixels[pixel * stride + channel] * normalization.deviation[channel] + normalization.mean[channel]
        bytes.append(UInt8(min(max((255 * value).rounded(), 0), 255)))
      }
    }
    return Image(image.shape.size, channels: 3, pixels: bytes)
  }

  /// The train ids of a slot.
  package func trainIds(_ slot: Int) -> Image { Image(image.shape.size, channels: 1, pixels: slice(target, slot)) }

  /// The boundaries of a slot, 0 or 255.
  package func boundary(_ slot: Int) -> Image {
    Image(image.shape.size, channels: 1, pixels: slice(boundary, slot).map { $0 == 0 ? 0 : 255 })
  }

  /// The Canny edges of a slot, 0 or 255.
  package func canny(_ slot: Int) -> Image {
    let (edges, stride) = (canny.image(slot), canny.shape.stride)
    return Image(
      image.shape.size, channels: 1,
      pixels: (0..<canny.shape.pixelsPerImage).map { edges[$0 * stride] == 0 ? 0 : 255 })
  }

  private func slice(_ map: [UInt8], _ slot: Int) -> [UInt8] {
    let count = image.shape.pixelsPerImage
    return Array(map[slot * count..<(slot + 1) * count])
  }
}
