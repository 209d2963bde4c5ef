/// The shape of a batch of feature maps, `[N, H, W, C]`.
package struct Shape: Hashable, Sendable, CustomStringConvertible {
  package var images: Int
  package var height: Int
  package var width: Int
  package var channels: Int

  package init(_ images: Int, _ height: Int, _ width: Int, _ channels: Int) {
    self.images = images
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// Pixels of an image, `H · W`.
  package var pixelsPerImage: Int { height * width }

  /// Pixels of the batch, `N · H · W`: the rows of the matrix in a 1×1 convolution.
  package var pixels: Int { images * height * width }

  /// Floats from one pixel to the next: 1 for a single channel, otherwise `channels` rounded up to whole vectors of 8.
  ///
  /// The padding from `channels` to `stride` is zero in every tensor; kernels write it too.
  package var stride: Int { channels == 1 ? 1 : channels.roundedUp(toMultipleOf: 8) }

  /// Floats in memory, padding included.
  package var count: Int { pixels * stride }

  package var size: Size { Size(height, width) }

  package func with(channels: Int) -> Shape { Shape(images, height, width, channels) }

  package func with(size: Size) -> Shape { Shape(images, size.height, size.width, channels) }

  package var description: String { "[\(images), \(height), \(width), \(channels)]" }
}

/// Height and width of an image in pixels.
package struct Size: Hashable, Sendable, CustomStringConvertible {
  package var height: Int
  package var width: Int

  package init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  package var description: String { "\(height)×\(width)" }
}
