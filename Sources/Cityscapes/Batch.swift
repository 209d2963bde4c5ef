import Tensors

/// Images with their ground truth, ready for the network.
package struct Batch: Sendable {
  /// Normalized RGB, `[N, H, W, 3]`; padding is 0.
  package let image: Tensor
  /// Edges of the images, 0 or 1, `[N, H, W, 1]`.
  package let canny: Tensor
  /// Train ids, `[N, H, W]`; 255 is ignored.
  package let target: [UInt8]
  /// 1 along the boundaries of classes, else 0, `[N, H, W]`.
  package let boundary: [UInt8]
  /// Which samples these are: their places in the sorted list of the split.
  package let indices: [Int]

  /// Samples, each treated as said, cut to `crop`.
  package init(_ samples: [(sample: Sample, augmentation: Augmentation)], crop: Size) {
    let builder = BatchBuilder(indices: samples.map(\.sample.index), size: crop)
    for (place, entry) in samples.enumerated() {
      entry.sample.withView { builder.fill(place, with: $0, entry.augmentation) }
    }
    self = builder.finished()
  }

  /// One sample as it is, at its own size.
  package init(whole sample: Sample) {
    self.init([(sample, .none)], crop: Size(sample.image.height, sample.image.width))
  }

  package init(image: Tensor, canny: Tensor, target: [UInt8], boundary: [UInt8], indices: [Int]) {
    self.image = image
    self.canny = canny
    self.target = target
    self.boundary = boundary
    self.indices = indices
  }
}

/// A batch while it is being filled, place by place.
final class BatchBuilder: @unchecked Sendable {
  // Sendable by agreement: each place is filled by one thread, and the batch is taken when all are.

  private let indices: [Int]
  private let shape: Shape
  private let image: Tensor
  private let canny: Tensor
  /// Train ids of all images, then their boundaries.
  private let maps: UnsafeMutablePointer<UInt8>

  /// - Parameter size: of every image in the batch.
  init(indices: [Int], size: Size) {
    self.indices = indices
    shape = Shape(indices.count, size.height, size.width, 3)
    image = Tensor(shape)
    canny = Tensor(shape.with(channels: 1))
    maps = .allocate(capacity: 2 * shape.pixels)
  }

  deinit { maps.deallocate() }

  /// Writes every float and byte of place `place`.
  func fill(_ place: Int, with sample: SampleView, _ augmentation: Augmentation) {
    let pixels = shape.pixelsPerImage
    AugmentationTransform.write(
      sample, augmentation, size: shape.size,
      to: AugmentationTransform.Target(
        image: image.image(place), canny: canny.image(place), trainIds: maps + place * pixels,
        boundary: maps + shape.pixels + place * pixels))
  }

  func finished() -> Batch {
    Batch(
      image: image, canny: canny, target: Array(UnsafeBufferPointer(start: maps, count: shape.pixels)),
      boundary: Array(UnsafeBufferPointer(start: maps + shape.pixels, count: shape.pixels)), indices: indices)
  }
}
