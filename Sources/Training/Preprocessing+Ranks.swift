import Cityscapes
import Distributed
import System

extension Preprocessing {
  /// Preprocesses a data set on all ranks, each its share of the images. On a terminal rank 0 shows the progress.
  /// Collective.
  ///
  /// - Parameters:
  ///   - root: the folder of the data set.
  ///   - splits: all splits that hold images if nil.
  /// - Returns: the number of samples for which files were written, over all ranks.
  @discardableResult
  package static func runOnAllRanks(
    _ root: String, splits: [Split]? = nil, communicator: Communicator, threads: Int
  ) throws -> Int {
    let directory = CityscapesDirectory(root: root)
    let samples = try communicator.collectively {
      try (splits ?? nonEmptySplits(of: directory)).flatMap { try directory.samples(of: $0) }
    }
    let preprocessing = Preprocessing(samples, rank: communicator.rank, ranks: communicator.size)
    let showsProgress = communicator.rank == 0 && StandardError.isTerminal && preprocessing.isNeeded
    var (written, ownProblems) = ([0], [String]())
    do throws(PreprocessingError) {
      let outcome = try preprocessing.run(threads: threads) { done in
        let percent = min(100, 100 * done * communicator.size / samples.count)
        if showsProgress { StandardError.write("\(StandardError.clearLine)  preprocessing images: \(percent) %") }
      }
      written = [outcome.written]
    } catch {
      ownProblems = error.problems
    }
    if showsProgress { StandardError.write(StandardError.clearLine) }
    // Later every rank reads files that other ranks wrote here.
    communicator.sleepingBarrier()
    let problems = communicator.allGather(ownProblems.joined(separator: "\n"))
      .flatMap { $0.split(separator: "\n").map(String.init) }
    guard problems.isEmpty else { throw Failure(problems: problems.sorted()) }
    communicator.allReduceSum(&written)
    return written[0]
  }

  /// The problems of all ranks, thrown on each of them.
  private struct Failure: CollectiveError, CustomStringConvertible {
    let problems: [String]

    var findings: [String] { problems.count > 1 ? problems : [] }

    var description: String {
      problems.count > 1
        ? "\(problems.count) images could not be preprocessed; restore or remove the files named above"
        : problems.joined()
    }
  }

  private static func nonEmptySplits(of directory: CityscapesDirectory) throws -> [Split] {
    let splits = Split.allCases.filter { (try? directory.samples(of: $0)) != nil }
    // Without any, listing a split throws `CityscapesDirectoryError.noImages`.
    return splits.isEmpty ? [try directory.samples(of: .train)[0].split] : splits
  }
}
