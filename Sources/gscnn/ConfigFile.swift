import Distributed
import Foundation
import System

/// A file of options for `--config`: `option: value` on each line, the names as on the command line without the dashes;
/// `#` begins a comment. Such a file is YAML.
struct ConfigFile {
  struct Entry: Equatable {
    let name: String
    let value: String
    /// A quoted value is text, whatever it says.
    let isQuoted: Bool
  }

  let path: String
  let entries: [Entry]

  /// - Throws: `UsageError` that names the line.
  init(_ text: String, path: String) throws {
    self.path = path
    var entries: [Entry] = []
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      func refuse(_ problem: String) -> UsageError { UsageError("\(path), line \(index + 1): \(problem)") }
      let line = line.trimmingCharacters(in: .whitespaces)
      guard !line.isEmpty, !line.hasPrefix("#") else { continue }
      guard let colon = line.firstIndex(of: ":") else {
        throw refuse("'\(line)' is not of the form option: value")
      }
      let name = line[..<colon].trimmingCharacters(in: .whitespaces).split(separator: "_").joined(separator: "-")
      guard !name.isEmpty, !name.hasPrefix("-"), !name.contains(" ") else {
        throw refuse("'\(name)' is no option's name; leave out its dashes")
      }
      guard let (value, isQuoted) = Self.value(line[line.index(after: colon)...].drop(while: \.isWhitespace)) else {
        throw refuse("the quoted value of \(name) does not end, or something follows it")
      }
      guard name != "config" else { throw refuse("a file cannot name another one; give both on the command line") }
      guard !value.isEmpty else { throw refuse("\(name) has no value; give one, or leave the line out") }
      guard !entries.contains(where: { $0.name == name }) else { throw refuse("\(name) is given twice; leave one out") }
      entries.append(Entry(name: name, value: value, isQuoted: isQuoted))
    }
    self.entries = entries
  }

  /// The value at the beginning of a text, without the comment behind it.
  ///
  /// - Returns: `nil` if a quote does not end, or is not followed by a comment or nothing.
  private static func value(_ text: Substring) -> (value: String, isQuoted: Bool)? {
    guard let quote = text.first, quote == "\"" || quote == "'" else {
      var end = text.endIndex
      for index in text.indices where text[index] == "#" {
        guard index == text.startIndex || text[text.index(before: index)].isWhitespace else { continue }
        end = index
        break
      }
      return (text[..<end].trimmingCharacters(in: .whitespaces), false)
    }
    var (value, rest) = ("", text.dropFirst())
    while let character = rest.popFirst() {
      if character == "\\", quote == "\"" {
        guard let escaped = rest.popFirst() else { return nil }
        value.append(escaped == "n" ? "\n" : escaped)
      } else if character == quote {
        // Two single quotes are one.
        guard quote == "'", rest.first == "'" else {
          rest = rest.drop(while: \.isWhitespace)
          return rest.isEmpty || rest.first == "#" ? (value, true) : nil
        }
        rest.removeFirst()
        value.append(quote)
      } else {
        value.append(character)
      }
    }
    return nil
  }

  /// The words that give the options on the command line, but for those that it gives itself.
  ///
  /// - Parameters:
  ///   - given: the names of the options on the command line.
  ///   - known: those that the command has; `nil`: all.
  func words(without given: Set<String>, known: Set<String>? = nil) -> [String] {
    entries.flatMap { entry -> [String] in
      let name = entry.name
      guard !given.contains(name), known?.contains(name) ?? true, !Self.isReplaced(name, by: given) else { return [] }
      return switch entry.value {
      case "true" where !entry.isQuoted: ["--\(name)"]
      case "false" where !entry.isQuoted, "null" where !entry.isQuoted, "~" where !entry.isQuoted: []
      default: ["--\(name)=\(entry.value)"]
      }
    }
  }

  /// Whether an option on the command line stands in the place of this one.
  private static func isReplaced(_ name: String, by given: Set<String>) -> Bool {
    name == "max-steps" && given.contains("epochs")
  }
}

extension Arguments {
  /// The options of a training that `plan` has too.
  private static let planned: Set<String> = [
    "backbone-type", "crop-h", "crop-w", "batch-size", "accumulate", "epochs", "max-steps", "validate-on",
  ]

  /// The words with those of the files of `--config FILE` and `@FILE` in their place. Rank 0's files count: disks may
  /// differ. Collective if there is such a file.
  func withConfigFiles() throws -> Arguments {
    guard let command = words.first, ["train", "plan"].contains(command) else { return self }
    var (paths, rest) = ([String](), [String]())
    var iterator = words.dropFirst().makeIterator()
    while let word = iterator.next() {
      // The value of an option may begin like the name of a file of options.
      let isValue = rest.last.map { $0.hasPrefix("--") && !$0.contains("=") && !Self.flags.contains($0) } ?? false
      if word == "--config" {
        guard let path = iterator.next() else { throw UsageError("--config: the value is missing; give a file") }
        paths.append(path)
      } else if word.hasPrefix("--config=") {
        paths.append(String(word.dropFirst("--config=".count)))
      } else if word.hasPrefix("@"), !isValue {
        guard word.count > 1 else { throw UsageError("@: the name is missing; give @FILE, or --config FILE") }
        paths.append(String(word.dropFirst()))
      } else {
        rest.append(word)
      }
    }
    guard !paths.isEmpty else { return self }
    let files = try Self.read(paths)
    for file in files { try file.check() }
    var given = Set(rest.filter { $0.hasPrefix("--") }.map(Self.name))
    var inserted: [String] = []
    // The last file wins.
    for file in files.reversed() {
      inserted = file.words(without: given, known: command == "plan" ? Self.planned : nil) + inserted
      given.formUnion(file.entries.map(\.name))
    }
    return Arguments([command] + inserted + rest)
  }

  /// The options of `train` and `plan` without a value.
  private static let flags: Set = ["--dry-run", "--no-test", "--json", "--help"]

  /// --crop_h=64 → "crop-h"
  private static func name(_ word: String) -> String {
    word.dropFirst(2).prefix { $0 != "=" }.split(separator: "_").joined(separator: "-")
  }

  private static func read(_ paths: [String]) throws -> [ConfigFile] {
    let communicator = try Communicator.initialize()
    return try paths.map { path in
      var bytes: [UInt8] = []
      var failure: String?
      if communicator.rank == 0 {
        do {
          guard !FileSystem.isDirectory(path, followingLinks: true) else { throw POSIXError(.EISDIR) }
          bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
          failure =
            "\(path): cannot be read (\(error.posixMessage)); give a file of options, such as one of launch/recipes"
        }
      }
      let message = communicator.broadcast(Array((failure ?? "").utf8))
      if !message.isEmpty { throw UsageError(String(decoding: message, as: UTF8.self)) }
      guard let text = String(validating: communicator.broadcast(bytes), as: UTF8.self) else {
        throw UsageError("\(path): is not text; give a file of options, such as one of launch/recipes")
      }
      return try ConfigFile(text, path: path)
    }
  }
}

extension ConfigFile {
  /// - Throws: `UsageError` that names the file, if `train` does not accept the options.
  fileprivate func check() throws {
    do {
      _ = try Train.parse(words(without: []))
    } catch {
      let usage = Arguments(["train"]).usageError(Train.message(for: error))
      throw UsageError("\(path): \(usage)")
    }
  }
}
