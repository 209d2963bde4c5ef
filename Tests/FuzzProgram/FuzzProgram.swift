import Foundation
import System

/// Feeds mutated inputs to the readers of the program; `Tests/fuzz` starts it and explains its options.
///
/// The inputs of a target are read in a process of its own. It notes the number of each input before reading it, so that
/// the input of a crash or a hang is known.
@main
enum FuzzProgram {
  static let usage = """
    fuzz [--inputs N] [--seed S] [TARGET…]      N mutated inputs over all targets (1000000), from seed S (1)
    fuzz --replay TARGET FILE…                  the inputs in these files
    """

  static func main() throws {
    var words = Array(CommandLine.arguments.dropFirst())
    do {
      switch words.first {
      case "--child": try Child(words).run()
      case "--replay":
        guard words.count > 2 else { throw Usage() }
        let folder = try Folder()
        defer { folder.remove() }
        let target = try named(words[1], try Target.all(in: folder))
        for file in words.dropFirst(2) {
          let input = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
          print("\(file): \(Child.outcome(of: target, input) ?? "accepted")")
        }
      default:
        var (inputs, seed) = (1_000_000, UInt64(1))
        while let word = words.first, word.hasPrefix("--") {
          guard words.count > 1, let number = Int(words[1]), number >= 0 else { throw Usage() }
          switch word {
          case "--inputs": inputs = number
          case "--seed": seed = UInt64(number)
          default: throw Usage()
          }
          words.removeFirst(2)
        }
        exit(try Parent(inputs: inputs, seed: seed).run(words) ? 0 : 1)
      }
    } catch is Usage {
      FileHandle.standardError.write(Data((usage + "\n").utf8))
      exit(2)
    }
  }

  struct Usage: Error {}

  static func named(_ name: String, _ targets: [Target]) throws -> Target {
    guard let target = targets.first(where: { $0.name == name }) else {
      FileHandle.standardError.write(Data("targets: \(targets.map(\.name).joined(separator: ", "))\n".utf8))
      throw Usage()
    }
    return target
  }
}

/// Reads a range of the inputs of a target.
struct Child {
  let target: String
  let seed: UInt64
  let numbers: Range<Int>
  let progress: Progress

  /// More than the readers need for the longest input; an image may have 2²⁸ pixels.
  static let mostMegabytes = 1024

  init(_ words: [String]) throws {
    guard words.count == 6, let seed = UInt64(words[2]), let first = Int(words[3]), let end = Int(words[4]) else {
      throw FuzzProgram.Usage()
    }
    target = words[1]
    self.seed = seed
    numbers = first..<end
    progress = try Progress(words[5])
  }

  func run() throws {
    let folder = try Folder()
    defer { folder.remove() }
    let target = try FuzzProgram.named(target, try Target.all(in: folder))
    let mutator = Mutator(target, seed: seed)
    for number in numbers {
      progress.number = number
      if let outcome = Self.outcome(of: target, mutator.input(number)) {
        if outcome.isEmpty {
          FileHandle.standardError.write(Data("an error without a message\n".utf8))
          folder.remove()
          exit(3)
        }
      } else {
        progress.accepted += 1
      }
      guard ProcessUsage.peakMegabytes <= Self.mostMegabytes else {
        FileHandle.standardError.write(Data("more than \(Self.mostMegabytes) MB of memory\n".utf8))
        folder.remove()
        exit(3)
      }
    }
  }

  /// The error that an input causes; nil if it is accepted.
  static func outcome(of target: Target, _ input: [UInt8]) -> String? {
    do {
      try target.feed(input)
      return nil
    } catch {
      return "\(error)"
    }
  }
}

/// What a child is doing, in memory that it shares with its parent.
final class Progress: @unchecked Sendable {
  // Unchecked: one process writes, the other reads whole words.
  private let words: UnsafeMutablePointer<Int>

  init(_ path: String) throws {
    let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
    guard descriptor >= 0, ftruncate(descriptor, 16) == 0,
      let start = mmap(nil, 16, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), start != MAP_FAILED
    else { throw CocoaError(.fileWriteUnknown) }
    close(descriptor)
    words = start.assumingMemoryBound(to: Int.self)
  }

  var number: Int {
    get { words[0] }
    set { words[0] = newValue }
  }

  var accepted: Int {
    get { words[1] }
    set { words[1] = newValue }
  }
}

/// Starts the children and collects what they find.
struct Parent {
  let inputs: Int
  let seed: UInt64
  /// Seconds in which a child must get on to the next input; on a busy machine most of them take below 1 ms.
  private static let mostSeconds = 60.0
  /// A target with more failures has one cause, most likely.
  private static let mostFailures = 10

  /// - Returns: whether nothing was found.
  func run(_ names: [String]) throws -> Bool {
    let folder = try Folder()
    defer { folder.remove() }
    let all = try Target.all(in: folder)
    let targets = names.isEmpty ? all : try names.map { try FuzzProgram.named($0, all) }
    let shares = targets.reduce(0) { $0 + $1.share }
    let progress = try Progress(folder.place("progress"))
    var isClean = true
    let begin = Clock.now
    print("target            inputs  accepted   seconds  failures")
    for target in targets {
      let count = Int(Double(inputs) * target.share / shares)
      let begin = Clock.now
      progress.accepted = 0
      var (first, failures) = (0, 0)
      while first < count, failures < Self.mostFailures {
        guard let failure = try read(target, first..<count, progress, folder) else { break }
        failures += 1
        first = progress.number + 1
        let file = "fuzz-\(target.name.filter(\.isLetter))-\(seed)-\(progress.number)"
        try Data(Mutator(target, seed: seed).input(progress.number)).write(to: URL(fileURLWithPath: file))
        print("\(target.name), input \(progress.number) of seed \(seed), in the file \(file): \(failure)")
      }
      isClean = isClean && failures == 0
      print(
        target.name.padding(toLength: 12, withPad: " ", startingAt: 0)
          + String(format: "%12d%10d%10.1f%10d", count, progress.accepted, Clock.now - begin, failures))
    }
    print(String(format: "%d inputs in %.0f s", inputs, Clock.now - begin))
    return isClean
  }

  /// - Returns: how the child failed, at the input `progress.number`.
  private func read(_ target: Target, _ numbers: Range<Int>, _ progress: Progress, _ folder: Folder) throws -> String? {
    progress.number = numbers.lowerBound
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    child.arguments = [
      "--child", target.name, "\(seed)", "\(numbers.lowerBound)", "\(numbers.upperBound)", folder.place("progress"),
    ]
    // A crash is common enough to save the second that each backtrace takes; --replay shows it.
    child.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    // A file: of a pipe that nobody reads the child would fill the buffer, and wait.
    let errors = folder.place("errors")
    _ = FileManager.default.createFile(atPath: errors, contents: nil)
    child.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
    try child.run()
    var (number, since) = (progress.number, Clock.now)
    while child.isRunning {
      usleep(20_000)
      if progress.number != number {
        (number, since) = (progress.number, Clock.now)
      } else if Clock.now - since > Self.mostSeconds {
        kill(child.processIdentifier, SIGKILL)
        child.waitUntilExit()
        return "hangs: no end in \(Int(Self.mostSeconds)) s"
      }
    }
    child.waitUntilExit()
    let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: errors)).suffix(1000), as: UTF8.self)
    switch child.terminationReason {
    case .exit: return child.terminationStatus == 0 ? nil : "status \(child.terminationStatus): \(text)"
    default: return "signal \(child.terminationStatus): \(text)"
    }
  }
}
