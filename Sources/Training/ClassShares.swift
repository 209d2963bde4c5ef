import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Images
import Tensors

extension JointLoss.Configuration {
  /// The same with the class weights of the training split, if they are to be taken from it. Collective.
  func resolved(
    for dataset: TrainingDataset, _ table: LabelTable, communicator: Communicator, threads: Int
  ) throws -> Self {
    guard classWeights == .split else { return self }
    let pixels = try dataset.trainingPixels(of: table, communicator: communicator, threads: threads)
    let total = pixels.reduce(0, +)
    guard total > 0 else {
      throw OptionError(
        "--class-weights", "split",
        "the labels of the training split have no pixel of a class; correct them, or give a "
          + "weight for each class")
    }
    // The logarithm of one host may differ from that of another: rank 0 decides.
    let resolved = resolved(shares: pixels.map { Double($0) / Double(total) })
    return communicator.allGather(resolved)[0]
  }

  /// The class weights that were found for a run, in a line of text.
  func notes(_ options: TrainingOptions) -> [String] {
    guard options.loss.classWeights == .split, case .given(let weights) = classWeights else { return [] }
    let named = zip(options.table.classes, weights).map { "\($0.name) " + String(format: "%.2f", $1) }
    return ["class weights: \(named.joined(separator: ", "))"]
  }
}

extension TrainingDataset {
  /// The pixels of each class in the labels of the training split. Collective: unless the prepared maps say it, each rank
  /// reads a share of them.
  package func trainingPixels(
    of table: LabelTable, communicator: Communicator, threads: Int
  ) throws -> [Int] {
    if let labels = maps?.labels[.train] { return table.classes.map { labels.pixels[Int($0.id)] } }
    let own = stride(from: communicator.rank, to: train.count, by: communicator.size).map { train[$0].labelTrainIds }
    var pixels = try communicator.collectively {
      try Self.pixels(own, classes: table.classes.count, on: WorkerPool(threads: threads))
    }
    communicator.allReduceSum(&pixels)
    return pixels
  }

  /// The pixels of each class in maps of train ids.
  package static func pixels(_ maps: [String], classes: Int, on workers: WorkerPool) throws(ImageError) -> [Int] {
    var results = [Result<[Int], ImageError>](repeating: .success([]), count: maps.count)
    results.withUnsafeMutableBufferPointer { results in
      workers.parallelFor(maps.count) { map, _ in
        results[map] = Result { () throws(ImageError) in try pixels(maps[map], classes: classes) }
      }
    }
    var sums = [Int](repeating: 0, count: classes)
    for result in results {
      for (trainId, count) in try result.get().enumerated() { sums[trainId] += count }
    }
    return sums
  }

  private static func pixels(_ map: String, classes: Int) throws(ImageError) -> [Int] {
    let remedy = "remove the file and run gscnn prepare"
    var counts = [Int](repeating: 0, count: 256)
    do throws(ImageError) {
      for trainId in try PNG.read(map, as: .gray).pixels { counts[Int(trainId)] += 1 }
    } catch {
      throw ImageError(path: map, problem: error.problem, remedy: remedy)
    }
    if let other = (classes..<Int(Label.ignored)).first(where: { counts[$0] > 0 }) {
      throw ImageError(
        path: map, problem: "holds \(other), which is no train id (0 … \(classes - 1) or \(Label.ignored))",
        remedy: remedy)
    }
    return Array(counts[..<classes])
  }
}
