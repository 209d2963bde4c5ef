import Distributed
import Foundation
import Glibc
import System
import Weights

/// A trial of a training: two steps, a validation image on each rank that validates and a checkpoint, in a folder of its
/// own inside the run's, which is removed at the end.
package struct DryRun {
  /// Of the trial.
  private let options: TrainingOptions
  private let communicator: Communicator
  /// Rank 0's.
  private let scratch: Scratch?

  /// Collective.
  ///
  /// - Parameter options: of the training that is tried.
  /// - Throws: the error with which the training would refuse to start in its folder.
  package init(_ options: TrainingOptions, communicator: Communicator) throws {
    self.communicator = communicator
    let findsCheckpoint = options.resume == nil || options.resume == .auto
    // Rank 0 alone may see the folder.
    let (scratch, checkpoint) = try communicator.collectively { () -> (Scratch?, String?) in
      guard communicator.rank == 0 else { return (nil, nil) }
      let checkpoint = findsCheckpoint ? try CheckpointManager.start(options) : nil
      return (try Scratch(RunPaths(options), host: communicator.host), checkpoint)
    }
    self.scratch = scratch
    var trial = options
    trial.savePath = RunPaths(options).dryRun
    trial.stopAfter = 2
    trial.isDryRun = true
    trial.timeline = nil
    if findsCheckpoint {
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
    if let scratch { CleanupHandlers.add { scratch.remove() } }
    let status = try Trainer.prepare(options, communicator: communicator, threads: threads).run()
    scratch?.remove()
    return status
  }

  /// The folders that the trial makes, and the run's lock meanwhile.
  private struct Scratch: Sendable {
    private let paths: RunPaths
    private let newFolders: [String]
    private let lock: RunLock

    /// - Throws: `TrainingError` if the folders cannot be made, or if a training is using the run's.
    init(_ paths: RunPaths, host: String) throws {
      self.paths = paths
      var newFolders: [String] = []
      var path = paths.checkpoints
      while !FileSystem.exists(path) {
        newFolders.append(path)
        path = FileSystem.parent(of: path)
      }
      self.newFolders = newFolders
      do {
        try paths.createFolders()
        lock = try RunLock(paths, host: host, say: Trainer.warn)
      } catch {
        Self.remove(newFolders)
        throw error
      }
      // What a killed trial left behind.
      try? FileManager.default.removeItem(atPath: paths.dryRun)
    }

    func remove() {
      try? FileManager.default.removeItem(atPath: paths.dryRun)
      lock.end()
      Self.remove(newFolders)
    }

    private static func remove(_ folders: [String]) {
      // Not if something else has been put there meanwhile.
      for folder in folders { rmdir(folder) }
    }
  }
}
