import Tensors

/// Images with their ground truth: the input of a training or evaluation step.
package struct Batch: Sendable {
  /// Normalized RGB, `[N, H, W, 3]`; padding is 0.
  package let image: Tensor
  /// Canny edges of the images, 0 or 1, `[N, H, W, 1]`.
  package let canny: Tensor
  /// Train ids, `[N, H, W]`; `Label.ignored` where a pixel has no class.
  package let target: [UInt8]
  /// 1 along class boundaries, else 0, `[N, H, W]`.
  package let boundary: [UInt8]
  /// The index of each sample in the sorted list of its split.
  package let indices: [Int]

  /// Augmented samples, cropped to `crop`.
  package init(
    _ samples: [(sample: Sample, augmentation: Augmentation)], crop: Size, normalization: Normalization
  ) {
    let builder = BatchBuilder(indices: samples.map(\.sample.index), size: crop, normalization)
    for (slot, entry) in samples.enumerated() {
      entry.sample.withView { builder.fill(slot, with: $0, entry.augmentation) }
    }
    self = builder.finished()
  }

  /// One sample without augmentation, at its own size.
  package init(whole sample: Sample, normalization: Normalization) {
    self.init([(sample, .none)], crop: sample.image.size, normalization: normalization)
  }

  package init(image: Tensor, canny: Tensor, target: [UInt8], boundary: [UInt8], indices: [Int]) {
    self.image = image
    self.canny = canny
    self.target = target
    self.boundary = boundary
    self.indices = indices
  }
}

/// A batch under construction, filled slot by slot.
final class BatchBuilder: @unchecked Sendable {
  // Unchecked: each slot is written by one thread, and `finished` is called after all of them.

  private let indices: [Int]
  private let normalization: Normalization
  private let shape: Shape
  private let image: Tensor
  private let canny: Tensor
  /// Train ids of all images, then their boundaries.
  private let maps: UnsafeMutablePointer<UInt8>

  /// - Parameter size: of every image in the batch.
  init(indices: [Int], size: Size, _ normalization: Normalization) {
    self.indices = indices
    self.normalization = normalization
    shape = Shape(indices.count, size.height, size.width, 3)
    image = Tensor(shape)
    canny = Tensor(shape.with(channels: 1))
    maps = .allocate(capacity: 2 * shape.pixels)
  }

  deinit { maps.deallocate() }

  /// Writes every float and byte of a slot.
  func fill(_ slot: Int, with sample: SampleView, _ augmentation: Augmentation) {
    let offset = slot * shape.pixelsPerImage
    AugmentationTransform.apply(
      augmentation, to: sample, crop: shape.size, normalization, image: image.image(slot),
      canny: canny.image(slot), trainIds: maps + offset, boundary: maps + shape.pixels + offset)
  }

  func finished() -> Batch {
    Batch(
      image: image, canny: canny, target: Array(UnsafeBufferPointer(start: maps, count: shape.pixels)),
      boundary: Array(UnsafeBufferPointer(start: maps + shape.pixels, count: shape.pixels)), indices: indices)
  }
}
