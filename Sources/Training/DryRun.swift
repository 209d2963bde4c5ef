import Distributed
import Foundation
import System

/// A trial of a training: two steps, a validation image on each rank that validates and a checkpoint, in a folder of its
/// own below that of the results, which is removed at the end.
package struct DryRun {
  private let options: TrainingOptions
  private let communicator: Communicator
  /// What the trial removes at its end: the folder of the results too, if it was not there.
  private let removed: String

  /// - Parameter options: of the training that is tried.
  package init(_ options: TrainingOptions, communicator: Communicator) {
    let scratch = options.savePath + "/.dry-run"
    var trial = options
    trial.savePath = scratch
    trial.stopAfter = 2
    trial.isDryRun = true
    trial.timeline = nil
    let checkpoints = RunPaths(options).checkpoints
    if options.resume == .auto {
      trial.resume = FileSystem.isDirectory(checkpoints, followingLinks: true) ? .path(checkpoints) : nil
    }
    self.options = trial
    self.communicator = communicator
    removed = FileSystem.exists(options.savePath) ? scratch : options.savePath
  }

  /// Collective.
  ///
  /// - Returns: the exit status.
  /// - Throws: the error that would end the training.
  package func run(threads: Int) throws -> Int32 {
    if communicator.rank == 0 {
      remove()
      CleanupHandlers.add { remove() }
    }
    let status = try Trainer.prepare(options, communicator: communicator, threads: threads).run()
    if communicator.rank == 0 { remove() }
    return status
  }

  private func remove() { try? FileManager.default.removeItem(atPath: removed) }
}
