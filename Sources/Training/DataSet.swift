import Cityscapes
import Distributed
import System

/// A folder of images, prepared by all ranks together.
package enum DataSet {
  /// Makes what training needs beside the labels, where it is not there yet; each rank works on its share of the images.
  /// On a terminal rank 0 shows how far it is.
  ///
  /// - Returns: how many images were prepared, over all ranks.
  @discardableResult
  package static func prepare(
    _ root: String, splits: [Split]? = nil, communicator: Communicator, threads: Int
  ) throws -> Int {
    let layout = CityscapesDirectory(root: root)
    let samples = try communicator.collectively {
      try (splits ?? present(in: layout)).flatMap { try layout.samples(of: $0) }
    }
    let preparation = Preprocessing(samples, rank: communicator.rank, ranks: communicator.size)
    let isShown = communicator.rank == 0 && StandardError.isTerminal && preparation.isNeeded
    let outcome: Result<Preprocessing.Outcome, PreprocessingError> = .init { () throws(PreprocessingError) in
      try preparation.run(threads: threads) { done in
        let percent = min(100, 100 * done * communicator.size / samples.count)
        if isShown { StandardError.write("\(StandardError.clearLine)  preparing images: \(percent) %") }
      }
    }
    if isShown { StandardError.write(StandardError.clearLine) }
    // Every rank reads what the others prepared, and every rank's troubles are told together.
    communicator.sleepingBarrier()
    let problems = communicator.allGather(outcome.problems.joined(separator: "\n"))
      .flatMap { $0.split(separator: "\n").map(String.init) }
    guard problems.isEmpty else { throw Unprepared(problems: problems.sorted()) }
    var made = [outcome.prepared]
    communicator.allReduceSum(&made)
    return made[0]
  }

  /// What every rank was told that some could not prepare.
  private struct Unprepared: CollectiveError, CustomStringConvertible {
    let problems: [String]

    var findings: [String] { problems.count > 1 ? problems : [] }

    var description: String {
      problems.count > 1
        ? "\(problems.count) images could not be prepared; restore or remove what is named above"
        : problems.joined()
    }
  }

  /// The splits that hold images; at least one does.
  package static func present(in layout: CityscapesDirectory) throws -> [Split] {
    let present = Split.allCases.filter { (try? layout.samples(of: $0)) != nil }
    // Without any, asking for one throws the error that tells how to get images.
    return present.isEmpty ? [try layout.samples(of: .train)[0].split] : present
  }
}

extension Result where Success == Preprocessing.Outcome, Failure == PreprocessingError {
  fileprivate var problems: [String] {
    if case .failure(let error) = self { error.problems } else { [] }
  }

  fileprivate var prepared: Int {
    if case .success(let outcome) = self { outcome.prepared } else { 0 }
  }
}
