import Glibc

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
  package static func defaultThreads(_ communicator: Communicator) -> Int {
    let processors = availableProcessors()
    let layout = gathered(processors, threads: 0, over: communicator)
    let own = layout.fairShare(of: communicator.rank)
    guard let quota = quotaOfContainer() else { return max(1, own) }
    return max(1, min(own, quota / communicator.localSize))
  }

  /// The layout of the whole job, on every rank.
  package static func gathered(threads: Int, over communicator: Communicator) -> ProcessLayout {
    gathered(availableProcessors(), threads: threads, over: communicator)
  }

  private static func gathered(_ processors: [Int], threads: Int, over communicator: Communicator) -> ProcessLayout {
    let list = processors.map(String.init).joined(separator: ",")
    let shares = communicator.gatherEverywhere("\(threads) \(list) \(communicator.host)").map { text in
      let fields = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
      return Share(
        host: String(fields[2]), processors: fields[1].split(separator: ",").compactMap { Int($0) },
        threads: Int(fields[0]) ?? 0)
    }
    return ProcessLayout(shares: shares)
  }

  /// Whole processors that belong to a rank when those that several ranks may use are shared out evenly.
  func fairShare(of rank: Int) -> Int {
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
        return "\(threads) threads compete for \(processors) processors on \(host); lower --threads or start fewer ranks"
      }
      for share in local where share.threads > share.processors.count {
        return "\(share.threads) threads of a rank on \(host) compete for the \(share.processors.count) processors that "
          + "mpirun bound it to; give mpirun --bind-to none"
      }
    }
    return nil
  }

  /// The processors in this process's affinity mask.
  package static func availableProcessors() -> [Int] {
    // Asked of more processors than a cpu_set_t holds: Linux allows 8192.
    let words = 8192 / UInt.bitWidth
    return withUnsafeTemporaryAllocation(of: UInt.self, capacity: words) { mask in
      mask.initialize(repeating: 0)
      let bytes = words * MemoryLayout<UInt>.size
      let found = mask.baseAddress?.withMemoryRebound(to: cpu_set_t.self, capacity: 8) {
        sched_getaffinity(0, bytes, $0) == 0
      }
      guard found == true else { return Array(0..<max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
      return (0..<words * UInt.bitWidth).filter { mask[$0 / UInt.bitWidth] >> ($0 % UInt.bitWidth) & 1 == 1 }
    }
  }

  /// Processors' worth of time that the container may use, rounded up; nil where it is not limited.
  private static func quotaOfContainer() -> Int? {
    guard let file = fopen("/sys/fs/cgroup/cpu.max", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 64)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    return processors(inQuota: String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  /// Reads the cgroup's "microseconds per period", for example "200000 100000", or "max 100000".
  static func processors(inQuota line: String) -> Int? {
    let numbers = line.split(whereSeparator: \.isWhitespace).map { Int($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], period > 0 else { return nil }
    return max(1, (quota + period - 1) / period)
  }
}
