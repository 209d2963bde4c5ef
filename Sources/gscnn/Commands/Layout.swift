import ArgumentParser
import Distributed
import Machine
import System

struct Layout: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "layout",
    abstract: "Prints how many ranks suit this machine, and why; launch/ranks uses it if -n is not given.",
    discussion: """
      One rank for each L3 cache of 4 cores or more, otherwise for each NUMA node, otherwise for the machine, provided \
      that all ranks get the same number of caches or nodes and of images; a rank runs one thread on each of its cores.
      """)

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The command that the ranks will run (default: train).", valueName: "command"))
  var command: [String] = []

  func run() throws {
    // captureForPassthrough also captures --help.
    if command == ["--help"] || command == ["-h"] { throw CleanExit.helpRequest(self) }
    if let word = command.first, word.hasPrefix("-") {
      throw ValidationError(
        "'\(word)' is no command; give one with its options, for example: gscnn layout train --batch-size 8")
    }
    let topology = Topology()
    let quota = ControlGroup().quota
    let ranks = topology.ranks(images: images, quota: quota)
    let (kind, groups) = topology.groups
    let cores = topology.cores.count
    var reason = "\(cores == 1 ? "1 core" : "\(cores) cores")"
    if kind != .machine { reason += ", \(groups.count) \(kind.rawValue)s" }
    if let quota, quota < cores { reason += ", a CPU quota of \(quota)" }
    if let images, kind != .machine, ranks < groups.count, images > 1 { reason += ", \(images) images per step" }
    print("\(ranks) \(ranks == 1 ? "rank" : "ranks") (\(reason))")
  }

  /// Images that the ranks share; `nil` where any number of ranks has work, 1 where only one has.
  private var images: Int? {
    // The command itself reports a wrong call.
    let words = try? Arguments(command.isEmpty ? ["train"] : command).withConfigFiles().words
    return switch words.flatMap({ try? GSCNN.parseAsRoot($0) }) {
    case let train as Train: train.batchSize
    case let step as Bench.Step: step.batchSize
    case is Prepare, is Evaluate, is Predict, is Bench.AllReduce: nil
    default: 1
    }
  }
}
