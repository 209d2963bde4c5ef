import Distributed
import Foundation
import Glibc
import System
import Weights

/// A trial of a training: two steps, a validation image on each rank that validates and a checkpoint, in a folder of its
/// own below that of the results, which is removed at the end.
package struct DryRun {
  /// Of the trial.
  private let options: TrainingOptions
  private let communicator: Communicator
  /// The folder of the results, if the trial makes it.
  private let newFolder: String?

  /// Collective.
  ///
  /// - Parameter options: of the training that is tried.
  /// - Throws: the error with which the training would refuse to start in its folder.
  package init(_ options: TrainingOptions, communicator: Communicator) throws {
    self.communicator = communicator
    newFolder = FileSystem.exists(options.savePath) ? nil : options.savePath
    var trial = options
    trial.savePath = options.savePath + "/.dry-run"
    trial.stopAfter = 2
    trial.isDryRun = true
    trial.timeline = nil
    if options.resume == nil || options.resume == .auto {
      // Rank 0 alone may see the folder.
      let checkpoint = try communicator.collectively {
        communicator.rank == 0 ? try CheckpointManager.start(options) : nil
      }
      let path = String(decoding: communicator.broadcast(Array((checkpoint ?? "").utf8)), as: UTF8.self)
      trial.resume = path.isEmpty ? nil : .path(path)
    }
    self.options = trial
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

  private func remove() {
    try? FileManager.default.removeItem(atPath: options.savePath)
    // Not if something else has been put there meanwhile.
    if let newFolder { rmdir(newFolder) }
  }
}
