import Cityscapes
import Distributed
import Foundation
import System
import Tensors

extension TrainingDataset {
  /// Where each class is in the training split, and how many pixels it has: from the file beside the prepared maps, or
  /// computed by all ranks and then kept there. The same on every rank. Collective.
  ///
  /// Needs prepared maps. Rank 0 alone reads and writes the file; if it cannot be written, rank 0 warns.
  ///
  /// - Parameters:
  ///   - threads: of this rank.
  ///   - cancelled: called before each map on any thread; once it returns true on a rank, that rank stops.
  /// - Throws: `TrainingError` that names the maps that cannot be used; `PreparingStopped`.
  package func classCentroids(
    communicator: Communicator, threads: Int, cancelled: () -> Bool = { false }
  ) throws -> ClassCentroids {
    try Activity.during(.preparing) {
      let survey = ClassSurvey(self, communicator, threads: threads)
      return try survey.centroids(cancelled: cancelled)
    }
  }
}

/// The work of `TrainingDataset.classCentroids`. All methods are collective.
private struct ClassSurvey {
  private let samples: [SamplePaths]
  private let names: UInt64
  private let classes: Int
  private let files: [ClassCentroidsFile]
  private let communicator: Communicator
  private let threads: Int
  /// The samples of this rank.
  private let own: [Int]

  init(_ dataset: TrainingDataset, _ communicator: Communicator, threads: Int) {
    samples = dataset.train
    names = TrainingDataset.digest(of: dataset.train)
    classes = dataset.table.classes.count
    files = dataset.filesBesideMaps.map(ClassCentroidsFile.init(folder:))
    self.communicator = communicator
    self.threads = threads
    own = Array(stride(from: communicator.rank, to: samples.count, by: communicator.size))
  }

  func centroids(cancelled: () -> Bool) throws -> ClassCentroids {
    var hashes = [Int](repeating: 0, count: samples.count)
    for (sample, hash) in zip(
      own, try forOwnSamples("reading maps", cancelled: cancelled, ClassCentroidsFile.source(of:)))
    {
      hashes[sample] = Int(bitPattern: UInt(hash))
    }
    // One rank has the hash of a sample, the others zero.
    communicator.allReduceSum(&hashes)
    let source = ClassCentroidsFile.source(
      of: hashes.map { UInt64(UInt(bitPattern: $0)) }, names: names, classes: classes)

    let known = files.lazy.compactMap { communicator.rank == 0 ? read($0, source) : nil }.first
    var text = communicator.broadcast(
      [UInt8](try known.map { try ClassCentroidsFile.encode($0, source: source) } ?? Data()))
    if text.isEmpty {
      let surveyed = try forOwnSamples("counting classes", cancelled: cancelled) {
        try SampleClasses($0, classes: classes)
      }
      let shares = communicator.gather([UInt8](try JSON.encode(surveyed)))
      text = communicator.broadcast(communicator.rank == 0 ? [UInt8](try join(shares, source)) : [])
      if communicator.rank == 0 { keep(Data(text)) }
    }
    guard
      let centroids = ClassCentroidsFile.decode(
        Data(text), source: source, samples: samples.count, classes: classes)
    else { preconditionFailure("rank 0 has encoded the centroids of these samples") }
    return centroids
  }

  private func read(_ file: ClassCentroidsFile, _ source: UInt64) -> ClassCentroids? {
    file.read(source: source, samples: samples.count, classes: classes)
  }

  /// The contents of the file, from the ranks' shares.
  private func join(_ shares: [[UInt8]], _ source: UInt64) throws -> Data {
    let shares = try shares.map { try JSON.decode([SampleClasses].self, from: Data($0)) }
    let all = samples.indices.map { shares[$0 % communicator.size][$0 / communicator.size] }
    return try ClassCentroidsFile.encode(ClassCentroids(all, classes: classes), source: source)
  }

  /// Writes the file in the first folder that can be written.
  private func keep(_ text: Data) {
    var obstacles: [String] = []
    for file in files {
      do {
        try file.write(text)
        StandardError.write("gscnn: class centroids of \(samples.count) images: \(file.path)\n")
        return
      } catch {
        obstacles.append("\(file.path): cannot be written (\(error.posixMessage))")
      }
    }
    StandardError.write(
      "gscnn: warning: \(obstacles.joined(separator: "; ")); the class centroids are computed anew at each start; give a "
        + "folder that can be written as --prepared\n")
  }

  /// Runs `body` for the samples of this rank.
  ///
  /// - Parameter title: what progress says of it.
  private func forOwnSamples<Result: Sendable>(
    _ title: String, cancelled: () -> Bool, _ body: (SamplePaths) throws -> Result
  ) throws -> [Result] {
    var results = [Swift.Result<Result, any Error>?](repeating: nil, count: own.count)
    ProgressLine.shared.begin(title, of: own.count, unit: "%")
    defer { ProgressLine.shared.end() }
    results.withUnsafeMutableBufferPointer { results in
      // Each task has an element of its own.
      nonisolated(unsafe) let results = results
      WorkerPool(threads: threads).parallelFor(own.count) { task, _ in
        if cancelled() { return }
        results[task] = Swift.Result { try body(samples[own[task]]) }
        Activity.advance()
        ProgressLine.shared.advance()
      }
    }
    let problems = results.compactMap { result -> String? in
      if case .failure(let error)? = result { "\(error)" } else { nil }
    }
    communicator.sleepingBarrier()
    var stopped = [results.contains { $0 == nil } ? 1 : 0]
    communicator.allReduceSum(&stopped)
    guard stopped[0] == 0 else { throw PreparingStopped() }
    let all = communicator.allGather(problems).flatMap(\.self)
    if let first = all.first {
      throw TrainingError(all.count == 1 ? first : "\(first) (and \(all.count - 1) more maps of the training split)")
    }
    return try results.compactMap { try $0?.get() }
  }
}
