/// Which processors each rank may use, and how many threads it runs on them.
package struct ProcessLayout: Equatable, CustomStringConvertible {
  /// One rank's share.
  package struct Share: Equatable {
    package let host: String
    /// Numbers of the processors that the system lets it run on.
    package let processors: [Int]
    package let threads: Int

    package init(host: String, processors: [Int], threads: Int) {
      self.host = host
      self.processors = processors
      self.threads = threads
    }
  }

  /// In the order of the ranks.
  package let shares: [Share]

  package init(shares: [Share]) { self.shares = shares }

  /// The threads that make full use of this rank's processors and leave the others theirs; at least 1. Every rank takes
  /// part.
  ///
  /// Processors that several ranks of a machine may use are shared out among them; nobody counts on more than the quota
  /// of a container allows.
  ///
  /// - Parameter communicator: nil for a process that works alone.
  package static func defaultThreads(_ communicator: Communicator?) -> Int {
    let own = communicator.map { gathered(threads: 0, over: $0).fairShare(of: $0.rank) } ?? Processors.available().count
    let quota = Processors.quotaOfContainer().map { $0 / (communicator?.localSize ?? 1) }
    return max(1, min(own, quota ?? own))
  }

  /// What the user should know of the layout, in lines: what it is, and what is wrong with it. Every rank takes part.
  ///
  /// - Parameter batchSize: pictures in the global batch.
  package static func describe(_ communicator: Communicator, threads: Int, batchSize: Int) -> [String] {
    let layout = gathered(threads: threads, over: communicator)
    let (least, more) = batchSize.quotientAndRemainder(dividingBy: communicator.size)
    let share = more == 0 ? "\(least)" : "\(least) or \(least + 1)"
    let pictures = "\(batchSize) \(batchSize == 1 ? "picture" : "pictures") a step, \(share) a rank"
    return ["\(layout); \(pictures)"] + (layout.warning.map { ["warning: \($0)"] } ?? [])
  }

  /// The layout of the whole job, on every rank.
  package static func gathered(threads: Int, over communicator: Communicator) -> ProcessLayout {
    let list = Processors.available().map(String.init).joined(separator: ",")
    let shares = communicator.gatherEverywhere("\(threads) \(list) \(communicator.host)").map { text in
      let fields = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
      return Share(
        host: String(fields[2]), processors: fields[1].split(separator: ",").compactMap { Int($0) },
        threads: Int(fields[0]) ?? 0)
    }
    return ProcessLayout(shares: shares)
  }

  /// Whole processors that belong to a rank when those that several ranks may use are shared out evenly.
  package func fairShare(of rank: Int) -> Int {
    let own = shares[rank]
    var users: [Int: Int] = [:]
    for share in shares where share.host == own.host {
      for processor in share.processors { users[processor, default: 0] += 1 }
    }
    // Thirds and sixths of processors may add up to a little less than a whole one.
    return Int(own.processors.reduce(1e-6) { $0 + 1 / Double(users[$1] ?? 1) })
  }

  /// For example "4 ranks on 2 machines, 8 threads each".
  package var description: String {
    let hosts = Set(shares.map(\.host)).count
    let threads = shares.map(\.threads)
    let (least, most) = (threads.min() ?? 0, threads.max() ?? 0)
    let ranks = shares.count == 1 ? "1 rank" : "\(shares.count) ranks"
    let machines = hosts == 1 ? "1 machine" : "\(hosts) machines"
    let count = least == most ? "\(most)" : "\(least) to \(most)"
    return "\(ranks) on \(machines), \(count) \(most == 1 ? "thread" : "threads") each"
  }

  /// What is wrong with the layout, in one line; nil where nothing is.
  package var warning: String? {
    for host in Set(shares.map(\.host)).sorted() {
      let local = shares.filter { $0.host == host }
      let processors = Set(local.flatMap(\.processors)).count
      let threads = local.reduce(0) { $0 + $1.threads }
      if threads > processors {
        return
          "\(threads) threads compete for \(processors) processors on \(host); lower --threads or start fewer ranks"
      }
      for share in local where share.threads > share.processors.count {
        return
          "\(share.threads) threads of a rank on \(host) compete for the \(share.processors.count) processors that "
          + "mpirun bound it to; give mpirun --bind-to none"
      }
    }
    return nil
  }
}
