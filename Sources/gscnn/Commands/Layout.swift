import ArgumentParser
import Distributed
import Machine
import System

struct Layout: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tells how many ranks suit this machine, and why; launch/ranks asks it where -n is not given.",
    discussion: """
      A rank for each L3 cache of 4 cores or more, else for each NUMA node, else for the machine, as far as all get the \
      same number of them and of images; a rank runs a thread on each of its cores.
      """)

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("What the ranks are to do (default: train).", valueName: "command"))
  var command: [String] = []

  func run() throws {
    // Everything after the name of the command is taken as it is, a call for help too.
    if command == ["--help"] || command == ["-h"] { throw CleanExit.helpRequest(self) }
    let topology = Topology()
    let quota = ControlGroup().quota
    let ranks = topology.ranks(images: images, quota: quota)
    let (kind, groups) = topology.groups
    let cores = topology.cores.count
    var reason = "\(cores == 1 ? "1 core" : "\(cores) cores")"
    if kind != .machine { reason += ", \(groups.count) \(kind.rawValue)s" }
    if let quota, quota < cores { reason += ", a quota of \(quota)" }
    if let images, kind != .machine, ranks < groups.count, images > 1 { reason += ", \(images) images a step" }
    print("\(ranks) \(ranks == 1 ? "rank" : "ranks") (\(reason))")
  }

  /// Images that the ranks share out; nil where any number of ranks has work, 1 where only one has.
  private var images: Int? {
    let words = command.isEmpty ? ["train"] : command
    // A call that is wrong is told of by the command itself.
    return switch try? GSCNN.parseAsRoot(Arguments(words).words) {
    case let train as Train: train.batchSize
    case let step as Bench.Step: step.batchSize
    case is Prepare, is Evaluate, is Bench.AllReduce: nil
    default: 1
    }
  }
}
