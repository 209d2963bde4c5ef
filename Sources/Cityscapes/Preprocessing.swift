import Foundation
import Images
import Synchronization
import Tensors

/// Makes what training needs beside each image: train ids, Canny edges and boundaries of classes.
///
/// It may be run again at any time: files that are there and not older than what they are made from are left alone,
/// and a file appears whole or not at all.
package struct Preprocessing: Sendable {
  package struct Outcome: Equatable, Sendable {
    /// Samples of which at least one file was made.
    package var prepared: Int
    /// Samples that had everything already.
    package var leftAlone: Int

    package init(prepared: Int = 0, leftAlone: Int = 0) {
      self.prepared = prepared
      self.leftAlone = leftAlone
    }
  }

  private let samples: [SamplePaths]

  /// - Parameters:
  ///   - samples: of one split or of several; every rank is given the same list.
  ///   - rank: takes every `ranks`-th sample from its own number on.
  package init(_ samples: [SamplePaths], rank: Int = 0, ranks: Int = 1) {
    precondition((0..<ranks).contains(rank))
    self.samples = stride(from: rank, to: samples.count, by: ranks).map { samples[$0] }
  }

  /// Whether anything is missing or older than its source. It looks at dates alone.
  package var isNeeded: Bool { samples.contains { !Dates($0).isComplete } }

  /// Prepares this rank's share, all of it, even where some files cannot be used.
  /// - Parameters:
  ///   - threads: how many samples are worked on at once.
  ///   - progress: is told after each sample how many are done; any thread may call it, one at a time.
  /// - Throws: `PreprocessingError` with a line for each sample that could not be prepared.
  package func run(threads: Int = 1, progress: (Int) -> Void = { _ in }) throws(PreprocessingError) -> Outcome {
    struct State {
      var outcome = Outcome()
      var problems: [(sample: Int, line: String)] = []
      var done = 0
    }
    let state = Mutex(State())
    WorkerPool(threads: threads).parallelFor(samples.count) { index, _ in
      let result = Result { try Self.prepare(samples[index]) }
      state.withLock { state in
        switch result {
        case .success(true): state.outcome.prepared += 1
        case .success(false): state.outcome.leftAlone += 1
        case .failure(let error): state.problems.append((index, "\(error)"))
        }
        state.done += 1
        progress(state.done)
      }
    }
    let (outcome, problems) = state.withLock { ($0.outcome, $0.problems) }
    guard problems.isEmpty else {
      throw PreprocessingError(problems: problems.sorted { $0.sample < $1.sample }.map(\.line))
    }
    return outcome
  }

  /// - Returns: whether there was anything to do.
  private static func prepare(_ paths: SamplePaths) throws(ImageError) -> Bool {
    let dates = Dates(paths)
    if dates.isComplete { return false }
    try checkSizes(paths)
    if !dates.hasTrainIds || !dates.hasBoundary {
      let trainIds = try trainIds(paths.labelIds)
      if !dates.hasTrainIds { try PNG.write(trainIds, to: paths.labelTrainIds) }
      if !dates.hasBoundary { try PNG.write(Boundary.map(of: trainIds), to: paths.boundary) }
    }
    if !dates.hasCanny {
      try PNG.write(Canny.edges(of: try PNG.read(paths.image, as: .rgb)), to: paths.grad)
    }
    return true
  }

  private static func checkSizes(_ paths: SamplePaths) throws(ImageError) {
    let image = try PNG.header(paths.image)
    guard FileManager.default.fileExists(atPath: paths.labelIds) else {
      throw ImageError(
        path: paths.labelIds, problem: "does not exist, but its image \(paths.image) does",
        remedy: "restore the label or remove the image")
    }
    let label = try PNG.header(paths.labelIds)
    guard label.width == image.width, label.height == image.height else {
      throw ImageError(
        path: paths.labelIds,
        problem: "\(label.width)×\(label.height), but its image is \(image.width)×\(image.height)",
        remedy: "restore the file or remove both")
    }
  }

  private static func trainIds(_ path: String) throws(ImageError) -> Image {
    var map = try PNG.read(path, as: .gray)
    if let largest = map.pixels.max(), largest > Label.largestId {
      throw ImageError(
        path: path, problem: "holds \(largest), but label ids end at \(Label.largestId)",
        remedy: "restore the file; it must hold label ids, neither train ids nor instance ids")
    }
    let table = Label.trainIds
    map.pixels = map.pixels.map { table[Int($0)] }
    return map
  }

  /// Which of the files to be made are there and not older than their sources.
  private struct Dates {
    let hasTrainIds: Bool
    let hasBoundary: Bool
    let hasCanny: Bool

    var isComplete: Bool { hasTrainIds && hasBoundary && hasCanny }

    init(_ paths: SamplePaths) {
      // A source that is missing is older than nothing: preparation looks closer and says so.
      func isCurrent(_ path: String, _ source: timespec?) -> Bool {
        guard let source, let made = Self.changed(path) else { return false }
        return (made.tv_sec, made.tv_nsec) >= (source.tv_sec, source.tv_nsec)
      }
      let label = Self.changed(paths.labelIds)
      hasTrainIds = isCurrent(paths.labelTrainIds, label)
      hasBoundary = isCurrent(paths.boundary, label)
      hasCanny = isCurrent(paths.grad, Self.changed(paths.image))
    }

    private static func changed(_ path: String) -> timespec? {
      var status = stat()
      return stat(path, &status) == 0 ? status.st_mtim : nil
    }
  }
}

/// What kept samples from being prepared.
package struct PreprocessingError: Error, Equatable, CustomStringConvertible {
  /// One line for each, naming the file, in the order of the samples.
  package let problems: [String]

  package init(problems: [String]) { self.problems = problems }

  package var description: String {
    (["\(problems.count) \(problems.count == 1 ? "image" : "images") could not be prepared:"] + problems)
      .joined(separator: "\n")
  }
}
