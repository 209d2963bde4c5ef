import Distributed
import Machine

extension RankProgram {
  static func layout(_ communicator: Communicator) {
    let threads = ProcessLayout.defaultThreads(communicator)
    communicator.report("threads \(threads)")
    for line in ProcessLayout.describe(communicator, threads: threads, batchSize: 5) { communicator.report(line) }
  }

  /// Takes the rank's place on a made-up machine, of which there are really only some processors.
  static func bind(_ communicator: Communicator, machine: String, processors: [Int]) {
    communicator.bind(to: Topology(root: machine, available: processors))
    communicator.report("\(Processors.available()) threads \(ProcessLayout.defaultThreads(communicator))")
  }
}
