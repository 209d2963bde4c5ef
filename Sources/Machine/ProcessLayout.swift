import System

/// Which cores each rank of a job may use, and how many threads it runs on them.
package struct ProcessLayout: Equatable, CustomStringConvertible {
  /// The cores and threads of one rank.
  package struct Allocation: Codable, Equatable, Sendable {
    package let host: String
    /// Numbers of the cores in the rank's affinity mask, ascending.
    package let cores: [Int]
    package let threads: Int
    /// Cores of the machine that the job may use, regardless of this rank's affinity.
    package let coresOfHost: Int
    /// CPU quota of the job on that machine, in processors; nil without a limit.
    package let quota: Int?

    package init(host: String, cores: [Int], threads: Int, coresOfHost: Int, quota: Int? = nil) {
      self.host = host
      self.cores = cores
      self.threads = threads
      self.coresOfHost = coresOfHost
      self.quota = quota
    }

    /// The allocation of this process.
    package static func current(host: String, threads: Int) -> Allocation {
      let topology = Topology()
      let group = ControlGroup()
      let online = Procfs.list(in: "/sys/devices/system/cpu/online") ?? topology.processors.map(\.number)
      let usable = group.processors.map { Set($0).intersection(online).sorted() } ?? online
      return Allocation(
        host: host, cores: topology.cores, threads: threads, coresOfHost: Topology(available: usable).cores.count,
        quota: group.quota)
    }
  }

  /// In the order of the ranks.
  package let allocations: [Allocation]

  package init(_ allocations: [Allocation]) { self.allocations = allocations }

  /// The layout of this process alone, without MPI.
  package static var singleProcess: ProcessLayout { ProcessLayout([.current(host: "", threads: 0)]) }

  /// Whole cores per rank when cores that several ranks may use are divided evenly.
  package func coresPerRank(_ rank: Int) -> Int {
    let own = allocations[rank]
    var users: [Int: Int] = [:]
    for allocation in allocations where allocation.host == own.host {
      for core in allocation.cores { users[core, default: 0] += 1 }
    }
    // 1e-6, because thirds and sixths of cores may add up to a little less than a whole one.
    return Int(own.cores.reduce(1e-6) { $0 + 1 / Double(users[$1] ?? 1) })
  }

  /// The number of threads that use a rank's cores fully and leave the other ranks theirs: `coresPerRank`, but no more
  /// than its part of the CPU quota, and at least 1.
  package func defaultThreads(ofRank rank: Int = 0) -> Int {
    let cores = coresPerRank(rank)
    let ranksOnHost = allocations.count { $0.host == allocations[rank].host }
    let quota = allocations[rank].quota.map { $0 / ranksOnHost }
    return max(1, min(cores, quota ?? cores))
  }
}

// MARK: - Report

extension ProcessLayout {
  /// The whole report, in lines: the job, each machine, warnings.
  ///
  /// - Parameters:
  ///   - batchSize: images in the global batch.
  ///   - batches: of a step.
  package func report(batchSize: Int, batches: Int = 1) -> [String] {
    let (least, more) = batchSize.quotientAndRemainder(dividingBy: allocations.count)
    let share = more == 0 ? "\(least)" : "\(least) or \(least + 1)"
    let unit = batches == 1 ? "a step" : "a batch, \(batches) batches a step"
    let images = "\(batchSize) \(batchSize == 1 ? "image" : "images") \(unit), \(share) a rank"
    return ["\(self); \(images)"] + hosts.map { "  \($0)" } + warnings.map { "warning: \($0)" }
  }

  /// For example "4 ranks on 2 machines, 8 threads each".
  package var description: String {
    let hosts = Set(allocations.map(\.host)).count
    let ranks = allocations.count == 1 ? "1 rank" : "\(allocations.count) ranks"
    let machines = hosts == 1 ? "1 machine" : "\(hosts) machines"
    return "\(ranks) on \(machines), \(Self.threads(of: allocations)) each"
  }

  /// A line for each machine, in the order of their first ranks; equal machines share one. For example
  /// "node1: ranks 0-1, 8 threads each, cores 0-7 and 8-15 of 16".
  package var hosts: [String] {
    var lines: [(hosts: [String], ranks: [Int], shape: String)] = []
    for (host, ranks) in machines {
      let allocations = ranks.map { self.allocations[$0] }
      let sets = allocations.map { Procfs.list(of: $0.cores) }
      // All ranks have the same cores, so they are printed once.
      let cores = Set(sets).count == 1 ? sets[0] : sets.joined(separator: " and ")
      let each = ranks.count == 1 ? "" : " each"
      let number = allocations.map(\.coresOfHost).max() ?? 0
      let quota = allocations[0].quota.map { ", a quota of \($0)" } ?? ""
      let noun = sets.count == 1 && allocations[0].cores.count == 1 ? "core" : "cores"
      let shape = "\(Self.threads(of: allocations))\(each), \(noun) \(cores) of \(number)\(quota)"
      // However ranks are placed, equal machines are adjacent in `machines`.
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

  /// What is wrong with the layout, a line for each problem. Of several machines with the same problem the first is
  /// named.
  package var warnings: [String] {
    var found: [(text: String, host: String, others: Int)] = []
    for (host, ranks) in machines {
      for text in Self.findings(ranks.map { allocations[$0] }) {
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

  /// The problems of one machine.
  private static func findings(_ allocations: [Allocation]) -> [String] {
    var findings: [String] = []
    let all = Set(allocations.flatMap(\.cores))
    let threads = allocations.reduce(0) { $0 + $1.threads }
    let usable = allocations.map { min($0.coresOfHost, $0.quota ?? .max) }.max() ?? 0
    if threads > usable {
      findings.append(
        "\(count(threads, "thread")) compete for \(count(usable, "core")); use fewer threads or start fewer ranks")
    } else if let found = oversubscription(allocations) {
      let who =
        found.ranks == 1
        ? "\(found.threads) threads of a rank compete for the \(count(found.cores, "core")) that it is bound to"
        : "\(found.ranks) ranks with \(found.threads) threads are bound to the same \(count(found.cores, "core"))"
      findings.append("\(who); pass --bind-to none to mpirun")
    }
    if threads < usable {
      findings.append(
        "\(count(usable - threads, "core")) of \(usable) \(usable - threads == 1 ? "is" : "are") idle; "
          + (all.count < usable
            ? "the ranks are bound to \(count(all.count, "core")): pass --bind-to none to mpirun, or start more ranks"
            : "use more threads or start more ranks"))
    }
    return findings
  }

  /// The smallest set of cores that is oversubscribed: the ranks pinned to it run more threads than it has cores. nil
  /// if no set is.
  private static func oversubscription(_ allocations: [Allocation]) -> (ranks: Int, threads: Int, cores: Int)? {
    let sets = Set(allocations.map { Set($0.cores) } + [Set(allocations.flatMap(\.cores))]).sorted {
      $0.count < $1.count
    }
    for set in sets {
      let pinned = allocations.filter { set.isSuperset(of: $0.cores) }
      let threads = pinned.reduce(0) { $0 + $1.threads }
      if threads > set.count { return (pinned.count, threads, set.count) }
    }
    return nil
  }

  /// The ranks of each machine, in the order of their first ranks.
  private var machines: [(host: String, ranks: [Int])] {
    let ranks = Dictionary(grouping: allocations.indices) { allocations[$0].host }
    return ranks.sorted { ($0.value.first ?? 0) < ($1.value.first ?? 0) }.map { ($0.key, $0.value) }
  }

  private static func threads(of allocations: [Allocation]) -> String {
    let threads = allocations.map(\.threads)
    let (least, most) = (threads.min() ?? 0, threads.max() ?? 0)
    return "\(least == most ? "" : "\(least) to ")\(count(most, "thread"))"
  }

  private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
