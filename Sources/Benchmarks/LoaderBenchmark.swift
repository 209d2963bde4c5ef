import Cityscapes
import Distributed
import Foundation
import SyntheticStreets
import System
import Tensors
import Training

extension Benchmarks {
  /// Times the loader: decoding and augmenting images from disk.
  ///
  /// - Parameters:
  ///   - dataPath: a data set with training images, preprocessed first if it is not yet; `nil`: four synthetic streets,
  ///     whose surfaces are noisy, so that a file of 2048×1024 has 3.2 MB. (Photographs of Cityscapes have 2.3 MB.)
  ///   - table: of the data set.
  ///   - image: the size of synthetic streets.
  ///   - options: of the augmentation.
  ///   - threads: loader threads.
  package static func loader(
    dataPath: String?, table: LabelTable = .cityscapes, batchSize: Int, crop: Size, image: Size,
    options: AugmentationOptions = AugmentationOptions(), steps: Int, threads: Int
  ) throws -> BenchmarkResult {
    let folder = NSTemporaryDirectory() + "/gscnn-bench-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    if dataPath == nil {
      try SyntheticStreets(train: 4, val: 0, test: 0, size: image).write(to: folder)
    }
    let listed = try CityscapesDirectory(root: dataPath ?? folder, files: table.files).samples(of: .train)
    let maps = try Preprocessing.runOnAllRanks(
      listed, of: dataPath ?? folder, prepared: nil, table: table, communicator: .single, threads: threads)
    let images = listed.map { $0.prepared(in: maps.folder) }
    // A repeated image has another index, so that it is cropped differently.
    let samples = (0..<(steps + 1) * batchSize).map { images[$0 % images.count] }
    let batches = (0...steps).map { step in Array(step * batchSize..<(step + 1) * batchSize) }
    let loader = Loader(
      samples: samples, batches: batches, transform: .augmented(seed: 1, epoch: 0, crop: crop, options),
      classes: table.classes.count, threads: threads, prefetch: threads)
    defer { loader.stop() }
    _ = try loader.next()
    let begin = Clock.processorTime
    let seconds = try repeated(steps) { _ = try loader.next() }
    let loaded = Double(steps * batchSize)
    return BenchmarkResult(
      bench: "loader", threads: threads, images: batchSize, height: dataPath == nil ? image.height : nil,
      width: dataPath == nil ? image.width : nil, seconds: seconds,
      imagesPerSecond: rounded(loaded / seconds.reduce(0, +), to: 0.01),
      cpuSecondsPerImage: rounded((Clock.processorTime - begin) / loaded, to: 1e-6))
  }
}
