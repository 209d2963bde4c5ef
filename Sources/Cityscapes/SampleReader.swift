import Images
import System
import Tensors

/// Reads samples one after another, each in two steps: `open` tells the size of the image, `read` decodes the window that
/// the caller chooses for it. (`Loader` lists all steps from files to a batch.)
///
/// With a cache, the first reader of a sample decodes the whole image and stores it there.
final class SampleReader {
  /// A sample of which the size is known and nothing is decoded yet.
  enum OpenSample {
    case file(ImageFile, SamplePaths, index: Int)
    case cached(SampleView)

    /// Size of the image.
    var size: Size {
      switch self {
      case .file(let image, _, _): image.size
      case .cached(let sample): sample.size
      }
    }
  }

  private let cache: (any ImageCache)?
  private let (image, trainIds, canny, boundary, truth) =
    (ImageBuffer(), ImageBuffer(), ImageBuffer(), ImageBuffer(), ImageBuffer())

  private let classes: Int

  /// - Parameter classes: train ids are less; at most `LabelTable.maximumClasses`.
  init(classes: Int = Label.classCount, cache: (any ImageCache)? = nil) {
    self.classes = classes
    self.cache = cache
  }

  /// Opens a preprocessed sample.
  ///
  /// - Parameter index: of the sample in its split, which is its slot in the cache.
  func open(_ paths: SamplePaths, index: Int) throws(ImageError) -> OpenSample {
    if let slot = cache?.contents(of: index) { return .cached(SampleView(cached: slot)) }
    return .file(try ImageFile(paths), paths, index: index)
  }

  /// Returns the sample with at least the rows of `window`; valid until the next call of this reader. Reads it once.
  ///
  /// - Throws: `ImageError` with the file that is missing, damaged, of another kind or size, or holds no train ids.
  ///   Damage below the window is not detected.
  func read(_ sample: OpenSample, _ window: Image.Rect) throws(ImageError) -> SampleView {
    switch sample {
    case .cached(let sample): return sample
    case .file(let image, let paths, let index):
      guard let cache, let slot = cache.claim(index) else { return try decode(window, of: image, paths) }
      var isCached = false
      // Released if a file cannot be read, so that other readers can try.
      defer { isCached ? cache.publish(index) : cache.release(index) }
      let sample = try decode(Image.Rect(image.size), of: image, paths)
      isCached = sample.copy(to: slot, of: cache)
      return sample
    }
  }

  private func decode(_ window: Image.Rect, of file: ImageFile, _ paths: SamplePaths) throws(ImageError) -> SampleView {
    let size = file.size
    let image = try file.read(window, into: image)
    let trainIds = try map(paths.labelTrainIds, of: size, window, into: trainIds)
    let canny = try map(paths.canny, of: size, window, into: canny)
    let boundary = try map(paths.boundary, of: size, window, into: boundary)
    var invalid: UInt8?
    let channels = GroundTruth.channels(classes: classes)
    let truth = truth.fill(size: size, channels: channels, rows: window.rows) { packed in
      let stride = size.width * channels
      for y in window.rows where invalid == nil {
        let row = packed.extracting((y - window.y) * stride..<(y - window.y + 1) * stride)
        invalid =
          channels == 1
          ? pack(trainIds.row(y), canny.row(y), boundary.row(y), to: row)
          : interleave(trainIds.row(y), canny.row(y), boundary.row(y), to: row)
      }
    }
    if let invalid {
      throw ImageError(
        path: paths.labelTrainIds,
        problem: "holds \(invalid), which is no train id (0 … \(classes - 1) or \(Label.ignored))",
        remedy: "remove the file and run gscnn prepare")
    }
    return SampleView(image: image, truth: truth)
  }

  private func map(
    _ path: String, of size: Size, _ window: Image.Rect, into buffer: ImageBuffer
  ) throws(ImageError) -> ImageView {
    let remedy = "remove the file and run gscnn prepare"
    do throws(ImageError) {
      let file = try PNGReader(path, as: .gray)
      guard file.size == size else {
        throw ImageError(
          path: path, problem: "\(file.size.widthByHeight), but its image is \(size.widthByHeight)", remedy: remedy)
      }
      return try file.read(window, into: buffer)
    } catch {
      if FileSystem.size(of: path) == nil {
        throw ImageError(path: path, problem: "does not exist", remedy: "run gscnn prepare")
      }
      // The program has made it, and makes it again.
      throw ImageError(path: path, problem: error.problem, remedy: remedy)
    }
  }

  /// Packs a row of the three maps.
  ///
  /// - Returns: the first value that is no train id, if there is one.
  private func pack(
    _ trainIds: UnsafePointer<UInt8>, _ canny: UnsafePointer<UInt8>, _ boundary: UnsafePointer<UInt8>,
    to packed: UnsafeMutableBufferPointer<UInt8>
  ) -> UInt8? {
    let classes = UInt8(classes)
    // Accumulated without a branch, so that the compiler vectorizes the loop.
    var hasInvalid: UInt8 = 0
    for x in packed.indices {
      let id = trainIds[x]
      hasInvalid |= id >= classes && id != Label.ignored ? 1 : 0
      packed[x] = GroundTruth.packed(trainId: id, canny: canny[x], boundary: boundary[x])
    }
    return hasInvalid == 0
      ? nil : packed.indices.lazy.map { trainIds[$0] }.first { $0 >= classes && $0 != Label.ignored }
  }

  /// Writes a row of the three maps side by side.
  ///
  /// - Returns: as `pack`.
  private func interleave(
    _ trainIds: UnsafePointer<UInt8>, _ canny: UnsafePointer<UInt8>, _ boundary: UnsafePointer<UInt8>,
    to row: UnsafeMutableBufferPointer<UInt8>
  ) -> UInt8? {
    let classes = UInt8(classes)
    var invalid: UInt8?
    for x in 0..<row.count / 3 {
      let id = trainIds[x]
      if id >= classes, id != Label.ignored { invalid = invalid ?? id }
      (row[3 * x], row[3 * x + 1], row[3 * x + 2]) = (id, canny[x], boundary[x])
    }
    return invalid
  }
}
