import Images
import Tensors

/// Memory that keeps decoded samples from epoch to epoch, shared by all readers, of this process or of several.
///
/// A sample of the training split has one slot or none. No reader waits for another: while a slot is claimed, even by a
/// process that has ended, other readers decode the image themselves.
package protocol ImageCache: Sendable {
  /// Bytes of a slot, which begins at a multiple of 64.
  var capacity: Int { get }

  /// The contents of a slot; nil if there is no such slot or it is not published.
  func contents(of index: Int) -> UnsafeRawPointer?

  /// Claims an empty slot. The caller fills it and then publishes or releases it.
  ///
  /// - Returns: nil if there is no such slot or it is claimed or published already.
  func claim(_ index: Int) -> UnsafeMutableRawPointer?

  /// Makes the contents of a slot visible to all readers.
  func publish(_ index: Int)

  /// Makes a claimed slot empty again.
  func release(_ index: Int)
}

/// A slot holds a header of 64 bytes with height, width and the channels of the ground truth, the RGB image, and the
/// ground truth.
private let headerBytes = 64

extension ImageCache {
  /// Bytes of a slot that holds a sample with so many pixels.
  ///
  /// - Parameter classes: of the data set.
  package static func slotBytes(pixels: Int, classes: Int = Label.classCount) -> Int {
    slotBytes(pixels: pixels, channels: GroundTruth.channels(classes: classes))
  }

  fileprivate static func slotBytes(pixels: Int, channels: Int) -> Int { headerBytes + (3 + channels) * pixels }
}

extension SampleView {
  /// Views a sample in a cache slot.
  init(cached slot: UnsafeRawPointer) {
    let size = Size(slot.load(as: Int.self), slot.load(fromByteOffset: MemoryLayout<Int>.size, as: Int.self))
    let channels = slot.load(fromByteOffset: 2 * MemoryLayout<Int>.size, as: Int.self)
    let pixels = (slot + headerBytes).assumingMemoryBound(to: UInt8.self)
    self.init(
      image: ImageView(size: size, channels: 3, pixels: pixels),
      truth: ImageView(size: size, channels: channels, pixels: pixels + 3 * size.height * size.width))
  }

  /// Copies a sample with all of its rows into a cache slot.
  ///
  /// - Returns: whether it fits.
  func copy(to slot: UnsafeMutableRawPointer, of cache: some ImageCache) -> Bool {
    guard type(of: cache).slotBytes(pixels: size.height * size.width, channels: truth.channels) <= cache.capacity
    else { return false }
    slot.storeBytes(of: size.height, as: Int.self)
    slot.storeBytes(of: size.width, toByteOffset: MemoryLayout<Int>.size, as: Int.self)
    slot.storeBytes(of: truth.channels, toByteOffset: 2 * MemoryLayout<Int>.size, as: Int.self)
    var next = slot + headerBytes
    for map in [image, truth] {
      next.copyMemory(from: map.row(0), byteCount: size.height * map.stride)
      next += size.height * map.stride
    }
    return true
  }
}
