import Foundation
import System

/// The right of one job to write a run's files, held until the object is released or the process ends.
package final class RunLock: Sendable {
  /// Who holds it, as the lock's file says.
  private struct Holder: Codable {
    let host: String
    let process: Int32
    let since: Date
  }

  private let lock: FileLock

  /// Locks the run's folder. If a job on another machine holds the lock, waits for it: a file server gives up the locks
  /// of a machine that failed after a while only.
  ///
  /// - Parameters:
  ///   - host: name of this machine.
  ///   - patience: seconds to wait for another machine.
  ///   - say: receives a line when it waits, or when nothing can be locked.
  /// - Throws: `TrainingError` if another job holds the lock.
  package init(_ paths: RunPaths, host: String, patience: Double = 120, say: (String) -> Void) throws {
    let own = Holder(host: host, process: getpid(), since: Date())
    let text = String(decoding: try JSON.encode(own), as: UTF8.self) + "\n"
    var deadline: Double?
    while true {
      if let lock = try FileLock.acquire(paths.lock, holder: text) {
        if !lock.isExclusive {
          say("\(paths.lock): this file system has no locks; do not start two jobs in one --save-path")
        }
        self.lock = lock
        return
      }
      let holder = (try? Data(contentsOf: URL(fileURLWithPath: paths.lock))).flatMap {
        try? JSON.decode(Holder.self, from: $0)
      }
      let inUse = "\(paths.folder): is in use by " + Self.describe(holder)
      let isRunningHere = holder.map { $0.host == host && kill($0.process, 0) == 0 } ?? false
      if isRunningHere || Clock.now >= deadline ?? .infinity || StopSignal.received != nil {
        throw TrainingError("--save-path \(inUse); wait for it, stop it, or give another --save-path")
      }
      if deadline == nil {
        deadline = Clock.now + patience
        say("\(inUse); waiting up to \(Int(patience)) s, in case that it has just ended")
      }
      sleep(1)
    }
  }

  /// Gives the lock up, for an exit that does not release the object.
  func end() { lock.removeFile() }

  private static func describe(_ holder: Holder?) -> String {
    guard let holder else { return "another process" }
    return "gscnn on \(holder.host), process \(holder.process), since \(holder.since.formatted(.iso8601))"
  }
}
