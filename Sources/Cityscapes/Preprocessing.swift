import Foundation
import Images
import Synchronization
import System
import Tensors

/// Writes the files that training needs beside each image: train ids, Canny edges and class boundaries.
///
/// It may run at any time: files that are not older than their sources are left alone, and each file is replaced
/// atomically.
package struct Preprocessing: Sendable {
  package struct Outcome: Equatable, Sendable {
    /// Samples for which at least one file was written.
    package var written: Int
    /// Samples whose files were up to date.
    package var upToDate: Int

    package init(written: Int = 0, upToDate: Int = 0) {
      self.written = written
      self.upToDate = upToDate
    }
  }

  private let samples: [SamplePaths]

  /// - Parameters:
  ///   - samples: of one or several splits; the same list on every rank.
  ///   - rank: processes every `ranks`-th sample, beginning with sample `rank`.
  package init(_ samples: [SamplePaths], rank: Int = 0, ranks: Int = 1) {
    precondition((0..<ranks).contains(rank))
    self.samples = stride(from: rank, to: samples.count, by: ranks).map { samples[$0] }
  }

  /// Whether any file is missing or older than its source, by modification time.
  package var isNeeded: Bool { samples.contains { !Dates($0).isComplete } }

  /// Processes this rank's share, all samples of it even if some fail.
  /// - Parameters:
  ///   - threads: how many samples are processed at once.
  ///   - progress: called after each sample with the number of samples done, on any thread, one call at a time.
  /// - Throws: `PreprocessingError` with a line for each sample that failed.
  package func run(threads: Int = 1, progress: (Int) -> Void = { _ in }) throws(PreprocessingError) -> Outcome {
    struct State {
      var outcome = Outcome()
      var problems: [(sample: Int, line: String)] = []
      var done = 0
    }
    let state = Mutex(State())
    WorkerPool(threads: threads).parallelFor(samples.count) { index, _ in
      let result = Result { try Self.process(samples[index]) }
      Activity.advance()
      state.withLock { state in
        switch result {
        case .success(true): state.outcome.written += 1
        case .success(false): state.outcome.upToDate += 1
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

  /// - Returns: whether a file was written.
  private static func process(_ paths: SamplePaths) throws(ImageError) -> Bool {
    let dates = Dates(paths)
    if dates.isComplete { return false }
    try checkSizes(paths)
    if !dates.hasTrainIds || !dates.hasBoundary {
      let trainIds = try trainIds(paths.labelIds)
      if !dates.hasTrainIds { try PNG.write(trainIds, to: paths.labelTrainIds) }
      if !dates.hasBoundary { try PNG.write(Boundary.map(of: trainIds, classes: Label.classCount), to: paths.boundary) }
    }
    if !dates.hasCanny {
      try PNG.write(Canny.edges(of: try PNG.read(paths.image, as: .rgb)), to: paths.canny)
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
    guard label.size == image.size else {
      throw ImageError(
        path: paths.labelIds,
        problem: "\(label.size.widthByHeight), but its image is \(image.size.widthByHeight)",
        remedy: "restore the file or remove both")
    }
  }

  private static func trainIds(_ path: String) throws(ImageError) -> Image {
    var map = try PNG.read(path, as: .gray)
    if let largest = map.pixels.max(), largest > Label.largestId {
      throw ImageError(
        path: path, problem: "holds \(largest), but label ids end at \(Label.largestId)",
        remedy: "restore the file; it must hold label ids, not train ids or instance ids")
    }
    let table = Label.trainIds
    map.pixels = map.pixels.map { table[Int($0)] }
    return map
  }

  /// Which output files exist and are not older than their sources.
  private struct Dates {
    let hasTrainIds: Bool
    let hasBoundary: Bool
    let hasCanny: Bool

    var isComplete: Bool { hasTrainIds && hasBoundary && hasCanny }

    init(_ paths: SamplePaths) {
      // With its source missing a file is out of date; `process` then reports the missing source.
      func isCurrent(_ path: String, _ source: timespec?) -> Bool {
        guard let source, let written = Self.modified(path) else { return false }
        return (written.tv_sec, written.tv_nsec) >= (source.tv_sec, source.tv_nsec)
      }
      let label = Self.modified(paths.labelIds)
      hasTrainIds = isCurrent(paths.labelTrainIds, label)
      hasBoundary = isCurrent(paths.boundary, label)
      hasCanny = isCurrent(paths.canny, Self.modified(paths.image))
    }

    private static func modified(_ path: String) -> timespec? {
      var status = stat()
      return stat(path, &status) == 0 ? status.st_mtim : nil
    }
  }
}

/// The samples that could not be processed.
package struct PreprocessingError: Error, Equatable, CustomStringConvertible {
  /// A line for each, with the file, in the order of the samples.
  package let problems: [String]

  package init(problems: [String]) { self.problems = problems }

  package var description: String {
    (["\(problems.count) \(problems.count == 1 ? "image" : "images") could not be preprocessed:"] + problems)
      .joined(separator: "\n")
  }
}
