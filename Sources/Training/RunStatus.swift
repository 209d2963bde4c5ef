import Distributed
import Foundation
import System

/// What a run is doing: `P/status.json`, which rank 0 replaces about once a second for those who watch the run.
package struct RunStatus: Codable, Sendable, Equatable {
  package enum State: String, Codable, Sendable {
    case running
    /// Stopped by a signal or an option, after saving if there was anything to save.
    case stopped
    /// Ended by an error.
    case failed
    case finished
  }

  /// A part of the run, as progress shows it.
  package struct Phase: Codable, Sendable, Equatable {
    package var title: String
    package var done: Int
    /// Nil if it is not known.
    package var total: Int?
    package var unit: String
    package var secondsLeft: Double?

    package init(title: String, done: Int, total: Int?, unit: String, secondsLeft: Double?) {
      (self.title, self.done, self.total, self.unit, self.secondsLeft) = (title, done, total, unit, secondsLeft)
    }
  }

  /// A rank, as rank 0 knows it.
  package struct Rank: Codable, Sendable, Equatable {
    package var rank: Int
    package var host: String
    package var phase: String
    /// The global step, from 1; 0 before the first.
    package var step: Int
    /// Of the validation, from 1; 0 outside.
    package var image: Int
    package var heardSecondsAgo: Double
    /// The share of the last seconds in which it waited for other ranks; nil if it is not known.
    package var waitingShare: Double?

    package init(
      rank: Int, host: String, phase: String, step: Int, image: Int, heardSecondsAgo: Double, waitingShare: Double?
    ) {
      (self.rank, self.host, self.phase, self.step, self.image) = (rank, host, phase, step, image)
      (self.heardSecondsAgo, self.waitingShare) = (heardSecondsAgo, waitingShare)
    }
  }

  package var state = State.running
  /// When this was written, in seconds since 1970.
  package var time: Double
  /// When the process began, in seconds since 1970.
  package var begin: Double
  /// Of rank 0.
  package var host: String
  /// The process id of rank 0.
  package var process: Int32
  /// From 1; nil before the first step.
  package var epoch: Int?
  package var epochs: Int?
  /// Of the epoch.
  package var step: Int?
  package var stepsPerEpoch: Int?
  package var loss: Double?
  package var imagesPerSecond: Double?
  /// Until the end of the training.
  package var secondsLeft: Double?
  package var phase: Phase?
  package var ranks: [Rank] = []

  package init(host: String, process: Int32, begin: Double, time: Double) {
    self.host = host
    self.process = process
    self.begin = begin
    self.time = time
  }

  package init(json: Data) throws { self = try JSON.decode(RunStatus.self, from: json, keys: .convertFromSnakeCase) }

  package var json: Data {
    get throws { try JSON.encode(self, [.sortedKeys, .withoutEscapingSlashes], keys: .convertToSnakeCase) }
  }
}

extension RunStatus.Rank {
  init(_ report: RankReport) {
    self.init(
      rank: report.rank, host: report.host, phase: report.activity.phase.rawValue, step: report.activity.step,
      image: report.activity.image, heardSecondsAgo: (report.heardSecondsAgo * 10).rounded() / 10,
      waitingShare: report.waitingShare.map { ($0 * 1000).rounded() / 1000 })
  }
}
