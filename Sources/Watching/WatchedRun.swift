import Foundation
import Training

/// What the files of a run say at one moment.
package struct WatchedRun: Sendable, Equatable {
  /// A line of `P_steps.csv`.
  package struct Step: Sendable, Equatable {
    package var epoch: Int
    package var step: Int
    package var loss: Double?
    package var learningRate: String
    package var imagesPerSecond: String

    package init(epoch: Int, step: Int, loss: Double?, learningRate: String, imagesPerSecond: String) {
      (self.epoch, self.step, self.loss) = (epoch, step, loss)
      (self.learningRate, self.imagesPerSecond) = (learningRate, imagesPerSecond)
    }
  }

  /// A line of `P_statistics.csv`: its fields by the names of their columns.
  package struct Epoch: Sendable, Equatable {
    package var fields: [String: String]

    package init(fields: [String: String]) { self.fields = fields }

    package subscript(_ column: String) -> Double? { fields[column].flatMap { Double($0) } }
  }

  /// What `P_run.json` says of the starts of the run's job.
  package struct Starts: Sendable, Equatable {
    package var count: Int
    /// The time of the first one, in seconds since 1970.
    package var first: Double

    package init(count: Int, first: Double) { (self.count, self.first) = (count, first) }
  }

  /// Who holds the run's lock.
  package struct Holder: Codable, Sendable, Equatable {
    package var host: String
    package var process: Int32

    package init(host: String, process: Int32) { (self.host, self.process) = (host, process) }
  }

  /// P, as the user would write it.
  package var prefix: String
  /// Nil in a run of an earlier version.
  package var starts: Starts?
  package var steps: [Step] = []
  package var epochs: [Epoch] = []
  package var status: RunStatus?
  /// Seconds since the status last changed, as far as this process can know; nil without a status.
  package var statusAge: Double?
  package var holder: Holder?
  /// Whether the process that wrote the status, or holds the lock, is there; nil if it is on another machine.
  package var isProcessThere: Bool?
  /// The other runs of the folder.
  package var others: [String] = []

  package init(prefix: String) { self.prefix = prefix }
}
