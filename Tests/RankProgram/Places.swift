import Distributed
import Machine

extension RankProgram {
  static func layout(_ communicator: Communicator) {
    let threads = communicator.defaultThreads()
    communicator.report("threads \(threads)")
    for line in communicator.layout(threads: threads).report(batchSize: 5) { communicator.report(line) }
  }

  /// Pins the rank on a simulated machine that has only these processors.
  static func bind(_ communicator: Communicator, machine: String, processors: [Int]) {
    communicator.setAffinity(on: Topology(root: machine, available: processors))
    communicator.report("\(Affinity.current) threads \(communicator.defaultThreads())")
  }
}
