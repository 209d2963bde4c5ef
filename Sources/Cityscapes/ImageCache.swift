import Images
import Tensors

/// Memory in which decoded images stay from epoch to epoch, for everybody who shares it.
///
/// Each sample of the training split has a place or none. Nobody ever waits for somebody else: while a place is being
/// filled, and should whoever fills it never come back, the others decode the image for themselves.
package protocol ImageCache: Sendable {
  /// Bytes of a place, which begins at a multiple of 64.
  var capacity: Int { get }

  /// What is in a sample's place, once it was published.
  func contents(of index: Int) -> UnsafeRawPointer?

  /// A sample's place for the caller to fill, who then publishes or abandons it.
  ///
  /// - Returns: nil where there is none, or where somebody has it.
  func claim(_ index: Int) -> UnsafeMutableRawPointer?

  /// Shows everybody what the caller has put into a place.
  func publish(_ index: Int)

  /// Leaves a place to the next who asks.
  func release(_ index: Int)
}

/// A whole sample as it is kept in a cache: its size, its image, its ground truth.
package enum CachedSample {
  private static let header = 64

  /// Bytes that an image of so many pixels takes.
  package static func bytes(pixels: Int) -> Int { header + 4 * pixels }

  /// Writes a sample that is there as a whole.
  static func write(_ sample: SampleView, to place: UnsafeMutableRawPointer) {
    let size = sample.size
    place.storeBytes(of: size.height, as: Int.self)
    place.storeBytes(of: size.width, toByteOffset: MemoryLayout<Int>.size, as: Int.self)
    var next = place + header
    for map in [sample.image, sample.truth] {
      let count = size.width * map.channels
      for y in 0..<size.height {
        next.copyMemory(from: map.row(y), byteCount: count)
        next += count
      }
    }
  }

  static func view(_ place: UnsafeRawPointer) -> SampleView {
    let height = place.load(as: Int.self)
    let width = place.load(fromByteOffset: MemoryLayout<Int>.size, as: Int.self)
    let pixels = (place + header).assumingMemoryBound(to: UInt8.self)
    return SampleView(
      image: ImageView(width: width, height: height, channels: 3, pixels: pixels),
      truth: ImageView(width: width, height: height, channels: 1, pixels: pixels + 3 * width * height))
  }
}

extension SampleReader {
  /// Where a sample came from.
  enum Source { case files, cache }

  /// Lends a sample, or the part of it that is wanted, to `body`: from the cache, where it has a place, and else from its
  /// files. Who comes first decodes all of it and leaves it there.
  func read<Result>(
    _ paths: SamplePaths, index: Int, cache: (any ImageCache)?, window: (Size) -> Image.Rect,
    body: (SampleView) -> Result
  ) throws(ImageError) -> (result: Result, source: Source) {
    if let place = cache?.contents(of: index) {
      let sample = CachedSample.view(place)
      _ = window(sample.size)
      return (body(sample), .cache)
    }
    guard let cache, let place = cache.claim(index) else {
      return (try read(paths, window: window, body: body), .files)
    }
    var isKept = false
    // Also where a file cannot be used: another rank may be luckier with it, or meet the error itself.
    defer { isKept ? cache.publish(index) : cache.release(index) }
    let result = try read(paths) { size in
      Image.Rect(width: size.width, height: size.height)
    } body: { sample in
      if CachedSample.bytes(pixels: sample.size.height * sample.size.width) <= cache.capacity {
        CachedSample.write(sample, to: place)
        isKept = true
      }
      _ = window(sample.size)
      return body(sample)
    }
    return (result, .files)
  }
}
