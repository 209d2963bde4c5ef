/// Which cores each rank may use, and how many threads it runs on them.
package struct ProcessLayout: Equatable, CustomStringConvertible {
  /// One rank's share.
  package struct Share: Equatable {
    package let host: String
    /// Numbers of the cores that the system lets it run on, ascending.
    package let cores: [Int]
    package let threads: Int
    /// Cores of the machine that the job may use, whatever this rank is bound to.
    package let coresOfHost: Int
    /// Cores' worth of time that the job may use there, where it is limited.
    package let quota: Int?

    package init(host: String, cores: [Int], threads: Int, coresOfHost: Int, quota: Int? = nil) {
      self.host = host
      self.cores = cores
      self.threads = threads
      self.coresOfHost = coresOfHost
      self.quota = quota
    }
  }

  /// In the order of the ranks.
  package let shares: [Share]

  package init(shares: [Share]) { self.shares = shares }

  /// The threads that make full use of this rank's cores and leave the others theirs; at least 1. Every rank takes part.
  ///
  /// Cores that several ranks of a machine may use are shared out among them; nobody counts on more than the quota of a
  /// container allows.
  ///
  /// - Parameter communicator: nil for a process that works alone.
  package static func defaultThreads(_ communicator: Communicator?) -> Int {
    let own = communicator.map { gathered(threads: 0, over: $0).fairShare(of: $0.rank) } ?? Topology().cores.count
    let quota = ControlGroup().quota.map { $0 / (communicator?.localSize ?? 1) }
    return max(1, min(own, quota ?? own))
  }

  /// What the user should know of the layout, in lines: what it is, host by host, and what is wrong with it. Every rank
  /// takes part.
  ///
  /// - Parameter batchSize: images in the global batch.
  package static func describe(_ communicator: Communicator, threads: Int, batchSize: Int) -> [String] {
    let layout = gathered(threads: threads, over: communicator)
    let (least, more) = batchSize.quotientAndRemainder(dividingBy: communicator.size)
    let share = more == 0 ? "\(least)" : "\(least) or \(least + 1)"
    let images = "\(batchSize) \(batchSize == 1 ? "image" : "images") a step, \(share) a rank"
    return ["\(layout); \(images)"] + layout.hosts.map { "  \($0)" } + layout.warnings.map { "warning: \($0)" }
  }

  /// The layout of the whole job, on every rank.
  package static func gathered(threads: Int, over communicator: Communicator) -> ProcessLayout {
    let topology = Topology()
    let group = ControlGroup()
    let online = Procfs.list(in: "/sys/devices/system/cpu/online") ?? topology.processors.map(\.number)
    let usable = group.processors.map { Set($0).intersection(online).sorted() } ?? online
    let numbers = "\(threads) \(Topology(available: usable).cores.count) \(group.quota ?? 0)"
    let own = "\(numbers) \(Procfs.list(of: topology.cores)) \(communicator.host)"
    let shares = communicator.allGather(own).map { text in
      let fields = text.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
      return Share(
        host: String(fields[4]), cores: Procfs.numbers(inList: fields[3]), threads: Int(fields[0]) ?? 0,
        coresOfHost: Int(fields[1]) ?? 0, quota: Int(fields[2]).flatMap { $0 > 0 ? $0 : nil })
    }
    return ProcessLayout(shares: shares)
  }

  /// Whole cores that belong to a rank when those that several ranks may use are shared out evenly.
  package func fairShare(of rank: Int) -> Int {
    let own = shares[rank]
    var users: [Int: Int] = [:]
    for share in shares where share.host == own.host {
      for core in share.cores { users[core, default: 0] += 1 }
    }
    // Thirds and sixths of cores may add up to a little less than a whole one.
    return Int(own.cores.reduce(1e-6) { $0 + 1 / Double(users[$1] ?? 1) })
  }
}

// MARK: - In words

extension ProcessLayout {
  /// For example "4 ranks on 2 machines, 8 threads each".
  package var description: String {
    let hosts = Set(shares.map(\.host)).count
    let ranks = shares.count == 1 ? "1 rank" : "\(shares.count) ranks"
    let machines = hosts == 1 ? "1 machine" : "\(hosts) machines"
    return "\(ranks) on \(machines), \(Self.threads(of: shares)) each"
  }

  /// A line for each machine, in the order of their first ranks; machines alike share one. For example
  /// "node1: ranks 0-1, 8 threads each, cores 0-7 and 8-15 of 16".
  package var hosts: [String] {
    var lines: [(hosts: [String], ranks: [Int], shape: String)] = []
    for (host, ranks) in machines {
      let shares = ranks.map { self.shares[$0] }
      let sets = shares.map { Procfs.list(of: $0.cores) }
      // One set for all means that they are free to move.
      let cores = Set(sets).count == 1 ? sets[0] : sets.joined(separator: " and ")
      let each = ranks.count == 1 ? "" : " each"
      let number = shares.map(\.coresOfHost).max() ?? 0
      let quota = shares[0].quota.map { ", a quota of \($0)" } ?? ""
      let noun = sets.count == 1 && shares[0].cores.count == 1 ? "core" : "cores"
      let shape = "\(Self.threads(of: shares))\(each), \(noun) \(cores) of \(number)\(quota)"
      // Ranks are filled machine by machine, or dealt out over them: either way those alike are neighbors here.
      if let last = lines.last, last.shape == shape, last.ranks.count / last.hosts.count == ranks.count {
        lines[lines.count - 1].hosts.append(host)
        lines[lines.count - 1].ranks += ranks
      } else {
        lines.append(([host], ranks, shape))
      }
    }
    return lines.map { line in
      let names =
        line.hosts.count > 2
        ? "\(line.hosts[0]) … \(line.hosts[line.hosts.count - 1]) (\(line.hosts.count) machines)"
        : line.hosts.joined(separator: ", ")
      let ranks = Procfs.list(of: line.ranks.sorted())
      return "\(names): \(line.ranks.count == 1 ? "rank" : "ranks") \(ranks), \(line.shape)"
    }
  }

  /// What is wrong with the layout: a line for each finding, of machines alike the first.
  package var warnings: [String] {
    var found: [(text: String, host: String, others: Int)] = []
    for (host, ranks) in machines {
      for text in Self.findings(ranks.map { shares[$0] }) {
        if let index = found.firstIndex(where: { $0.text == text }) {
          found[index].others += 1
        } else {
          found.append((text, host, 0))
        }
      }
    }
    return found.map { finding in
      let more = finding.others == 0 ? "" : " and \(finding.others) more"
      return "\(finding.host)\(more): \(finding.text)"
    }
  }

  /// What is wrong on one machine.
  private static func findings(_ shares: [Share]) -> [String] {
    var findings: [String] = []
    let all = Set(shares.flatMap(\.cores))
    let threads = shares.reduce(0) { $0 + $1.threads }
    let usable = shares.map { min($0.coresOfHost, $0.quota ?? .max) }.max() ?? 0
    if threads > usable {
      findings.append(
        "\(count(threads, "thread")) compete for \(count(usable, "core")); use fewer threads or start fewer ranks")
    } else if let crowd = crowd(shares) {
      let who =
        crowd.ranks == 1
        ? "\(crowd.threads) threads of a rank compete for the \(count(crowd.cores, "core")) that it is bound to"
        : "\(crowd.ranks) ranks with \(crowd.threads) threads are bound to the same \(count(crowd.cores, "core"))"
      findings.append("\(who); give mpirun --bind-to none")
    }
    if threads < usable {
      findings.append(
        "\(count(usable - threads, "core")) of \(usable) \(usable - threads == 1 ? "lies" : "lie") idle; "
          + (all.count < usable
            ? "the ranks are bound to \(count(all.count, "core")): give mpirun --bind-to none, or start more ranks"
            : "use more threads or start more ranks"))
    }
    return findings
  }

  /// Ranks that cannot all have the cores to themselves that they want: those confined to one set of cores, smaller than
  /// the number of their threads. The smallest such set, if there is any.
  private static func crowd(_ shares: [Share]) -> (ranks: Int, threads: Int, cores: Int)? {
    let sets = Set(shares.map { Set($0.cores) } + [Set(shares.flatMap(\.cores))]).sorted { $0.count < $1.count }
    for set in sets {
      let confined = shares.filter { set.isSuperset(of: $0.cores) }
      let threads = confined.reduce(0) { $0 + $1.threads }
      if threads > set.count { return (confined.count, threads, set.count) }
    }
    return nil
  }

  /// The ranks of each machine, in the order of their first ranks.
  private var machines: [(host: String, ranks: [Int])] {
    let ranks = Dictionary(grouping: shares.indices) { shares[$0].host }
    return ranks.sorted { ($0.value.first ?? 0) < ($1.value.first ?? 0) }.map { ($0.key, $0.value) }
  }

  private static func threads(of shares: [Share]) -> String {
    let threads = shares.map(\.threads)
    let (least, most) = (threads.min() ?? 0, threads.max() ?? 0)
    return "\(least == most ? "" : "\(least) to ")\(count(most, "thread"))"
  }

  private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
