import ArgumentParser
import Distributed
import System

/// The words that the program is called with.
struct Arguments {
  /// `CommandLine.arguments` without the program, and with the bytes that are not UTF-8.
  static var ofProcess: Arguments {
    Arguments((1..<max(Int(CommandLine.argc), 1)).compactMap { CommandLine.unsafeArgv[$0].map { String(path: $0) } })
  }

  let words: [String]

  init(_ words: some Sequence<String>) { self.words = Array(words) }

  /// Refuses what the argument parser accepts, or reports without a remedy.
  func check() throws {
    if let unknownCommand { throw UsageError("there is no command '\(unknownCommand)'; see \(helpCall)") }
    for (index, word) in words.enumerated() where word.isEmpty || word.hasPrefix("--") && word.hasSuffix("=") {
      // An empty path would mean the root of the file system.
      let option = word.isEmpty ? index > 0 ? words[index - 1] : "an argument" : String(word.dropLast())
      throw UsageError("\(option): the value is empty; give one, or leave it out")
    }
    try Self.requireOneLength(Set(words.filter { $0.hasPrefix("--") }.map(Self.name)))
    if let word = words.first(where: { $0.printable != $0 }) {
      throw UsageError("'\(word.printable)' is not UTF-8; rename it, or give a symbolic link to it whose name is")
    }
  }

  /// Refuses two lengths of a training, of which one would be ignored.
  static func requireOneLength(_ names: Set<String>) throws {
    guard names.isSuperset(of: ["epochs", "max-steps"]) else { return }
    throw UsageError("--epochs and --max-steps both give the length of the training; give one of them")
  }

  /// --crop_h=64 → "crop-h"
  static func name(_ word: String) -> String {
    word.dropFirst(2).prefix { $0 != "=" }.split(separator: "_").joined(separator: "-")
  }

  /// The argument parser's message on one line, with the call for help.
  func usageError(_ message: String) -> UsageError {
    if let named = OptionAliases.usageError(message) { return named }
    var text = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    // Like every other error: no capital, no full stop.
    text = text.prefix(1).lowercased() + text.dropFirst()
    if text.hasSuffix(".") { text.removeLast() }
    return UsageError("\(text)\(text.hasSuffix("?") ? "" : ";") see \(helpCall)")
  }

  /// The call that prints the help of the command.
  private var helpCall: String { (commands.path + ["--help"]).joined(separator: " ") }

  /// The word in the position of a command that does not exist.
  private var unknownCommand: String? {
    let (path, last) = commands
    guard !last.configuration.subcommands.isEmpty, path.count - 1 < words.count else { return nil }
    let word = words[path.count - 1]
    return word.hasPrefix("-") || word == "help" ? nil : word
  }

  /// The commands that the words name, from `gscnn` on, and the type of the last one.
  private var commands: (path: [String], last: any ParsableCommand.Type) {
    var (path, last): ([String], any ParsableCommand.Type) = (["gscnn"], GSCNN.self)
    for word in words {
      guard let next = last.configuration.subcommands.first(where: { $0.configuration.commandName == word }) else {
        break
      }
      (path, last) = (path + [word], next)
    }
    return (path, last)
  }
}

/// The call cannot be understood. Every process has the same arguments: one of them reports it.
struct UsageError: CollectiveError, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
