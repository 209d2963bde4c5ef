import ArgumentParser
import Distributed

/// The words that the program was called with.
struct Arguments {
  /// As the argument parser takes them.
  let words: [String]

  init(_ words: some Sequence<String>) {
    var joined: [String] = []
    for word in words {
      // The parser takes every word that begins with a dash for an option; a negative number is the value of the one before.
      if let option = joined.last, option.hasPrefix("--"), option != "--", !option.contains("="),
        word.hasPrefix("-"), Double(word) != nil
      {
        joined[joined.count - 1] = option + "=" + word
      } else {
        joined.append(word)
      }
    }
    self.words = joined
  }

  /// Looks for what the parser does not see, or has no good words for.
  func check() throws {
    if let unknown { throw UsageError("there is no command '\(unknown)'; see \(help)") }
    for (index, word) in words.enumerated() where word.isEmpty || word.hasPrefix("--") && word.hasSuffix("=") {
      // An empty path would mean the root of the file system.
      let option = word.isEmpty ? index > 0 ? words[index - 1] : "an argument" : String(word.dropLast())
      throw UsageError("\(option): the value is empty; give one, or leave it out")
    }
  }

  /// What the parser found wrong, in one line with where to look.
  func error(_ message: String) -> UsageError {
    var text = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    if text.hasSuffix(".") { text.removeLast() }
    return UsageError("\(text); see \(help)")
  }

  /// The call that explains this one.
  private var help: String { (commands.path + ["--help"]).joined(separator: " ") }

  /// The word in the place of a command that is none.
  private var unknown: String? {
    let (path, last) = commands
    guard !last.configuration.subcommands.isEmpty, path.count - 1 < words.count else { return nil }
    let word = words[path.count - 1]
    return word.hasPrefix("-") || word == "help" ? nil : word
  }

  /// The commands that the words name, from `gscnn` on, and the last of them.
  private var commands: (path: [String], last: any ParsableCommand.Type) {
    var (path, last): ([String], any ParsableCommand.Type) = (["gscnn"], GSCNN.self)
    for word in words {
      guard let next = last.configuration.subcommands.first(where: { $0._commandName == word }) else { break }
      (path, last) = (path + [word], next)
    }
    return (path, last)
  }
}

/// The call cannot be understood. Every process was called alike: one of them says so.
struct UsageError: CollectiveError, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
