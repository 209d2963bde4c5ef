import Glibc

/// A fault on purpose, to try what a job, a launcher or a cluster does when a rank fails in a given place:
///
///     GSCNN_FAULT="rank=1 phase=backward step=3 action=kill"
///
/// The fault happens each time that the phase begins (in step 3 here; in the first one without `step`).
package struct Fault: Sendable, Equatable {
  /// The environment variable that describes it.
  package static let variable = "GSCNN_FAULT"

  package enum Action: String, Sendable, CaseIterable {
    /// Signals to the process itself.
    case kill, stop, term, int, hup, usr1, usr2, xcpu
    /// Writes to an invalid address: SIGSEGV.
    case crash
    /// Does nothing more, for ever.
    case hang
    /// Exits with status 1, without a word.
    case exit
    /// Fails with an error of its own.
    case error

    fileprivate var signal: Int32? {
      switch self {
      case .kill: SIGKILL
      case .stop: SIGSTOP
      case .term: SIGTERM
      case .int: SIGINT
      case .hup: SIGHUP
      case .usr1: SIGUSR1
      case .usr2: SIGUSR2
      case .xcpu: SIGXCPU
      case .crash, .hang, .exit, .error: nil
      }
    }
  }

  package var rank = 0
  package var phase: Activity.Phase
  /// The global step; any if nil.
  package var step: Int?
  /// The image of a validation or the bucket of a step, from 1; any if nil.
  package var number: Int?
  package var action: Action

  /// - Throws: `Problem`.
  package init(_ text: String) throws {
    var values: [String: String] = [:]
    for word in text.split(whereSeparator: { $0 == " " || $0 == "," }) {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, ["rank", "phase", "step", "number", "action"].contains(parts[0]),
        values.updateValue(parts[1], forKey: parts[0]) == nil
      else { throw Problem("'\(word)' is not understood", "give rank=, phase=, step=, number= and action=, once each") }
    }
    func number(_ name: String) throws -> Int? {
      guard let text = values[name] else { return nil }
      guard let number = Int(text), number >= 0 else {
        throw Problem("'\(name)=\(text)' is no number", "give 0 or more")
      }
      return number
    }
    rank = try number("rank") ?? 0
    step = try number("step")
    self.number = try number("number")
    guard let phase = values["phase"].flatMap(Activity.Phase.init) else {
      let phases = Activity.Phase.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem("there is no phase '\(values["phase"] ?? "")'", "give phase= one of \(phases)")
    }
    self.phase = phase
    guard let action = values["action"].flatMap(Action.init) else {
      let actions = Action.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem("there is no action '\(values["action"] ?? "")'", "give action= one of \(actions)")
    }
    self.action = action
  }

  /// What is wrong with a description, and what to give instead.
  package struct Problem: Error, CustomStringConvertible {
    package let description: String
    init(_ problem: String, _ remedy: String) { description = "\(problem); \(remedy)" }
  }

  /// Lets the fault happen in this process.
  ///
  /// - Parameter fail: ends the process with an error.
  package func arm(fail: @escaping @Sendable (Error) -> Never) {
    Activity.observe { phase in
      guard phase == self.phase else { return }
      let now = Activity.current
      guard step ?? now.step == now.step else { return }
      guard number.map({ $0 == (phase == .bucket ? now.bucket : now.image) }) ?? true else { return }
      switch action {
      case .crash: UnsafeMutablePointer<UInt8>(bitPattern: 8)?.pointee = 0
      case .hang: while true { sleep(1000) }
      case .exit: Glibc.exit(1)
      case .error: fail(Happened())
      default: if let signal = action.signal { Glibc.kill(getpid(), signal) }
      }
    }
  }

  /// The error of `Action.error`.
  private struct Happened: Error, CustomStringConvertible {
    var description: String { "\(Fault.variable): this error is on purpose; unset the variable to train without it" }
  }
}
