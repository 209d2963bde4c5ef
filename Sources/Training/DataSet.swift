import Cityscapes
import Distributed

/// A folder of pictures, prepared by all ranks together.
package enum DataSet {
  /// Makes what training needs beside the labels, where it is not there yet; each rank works on its share of the pictures.
  ///
  /// - Returns: how many pictures were prepared, over all ranks.
  @discardableResult
  package static func prepare(
    _ root: String, splits: [Split]? = nil, communicator: Communicator, threads: Int
  ) throws -> Int {
    let layout = FolderLayout(root: root)
    let samples = try communicator.alike {
      try (splits ?? present(in: layout)).flatMap { try layout.samples(of: $0) }
    }
    let outcome: Result<Preparation.Outcome, PreparationError> = .init { () throws(PreparationError) in
      try Preparation(samples, rank: communicator.rank, ranks: communicator.size).run(threads: threads)
    }
    // Every rank reads what the others prepared, and every rank's troubles are told together.
    communicator.restBarrier()
    let problems = communicator.gatherEverywhere(outcome.problems.joined(separator: "\n"))
      .flatMap { $0.split(separator: "\n").map(String.init) }
    guard problems.isEmpty else { throw Unprepared(description: "\(PreparationError(problems: problems.sorted()))") }
    var made = [outcome.prepared]
    communicator.sum(&made)
    return made[0]
  }

  /// What every rank was told that some could not prepare.
  private struct Unprepared: SharedError, CustomStringConvertible {
    let description: String
  }

  /// The splits that hold pictures; at least one does.
  package static func present(in layout: FolderLayout) throws -> [Split] {
    let present = Split.allCases.filter { (try? layout.samples(of: $0)) != nil }
    // Without any, asking for one throws the error that tells how to get pictures.
    return present.isEmpty ? [try layout.samples(of: .train)[0].split] : present
  }
}

extension Result where Success == Preparation.Outcome, Failure == PreparationError {
  fileprivate var problems: [String] {
    if case .failure(let error) = self { error.problems } else { [] }
  }

  fileprivate var prepared: Int {
    if case .success(let outcome) = self { outcome.prepared } else { 0 }
  }
}
