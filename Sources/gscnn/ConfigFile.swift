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
    let line: Int
  }

  let path: String
  let entries: [Entry]

  /// - Throws: `UsageError` that names the line.
  init(_ text: String, path: String) throws {
    self.path = path
    var entries: [Entry] = []
    // A byte order mark.
    let text = text.hasPrefix("\u{FEFF}") ? text.dropFirst() : text[...]
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      func refuse(_ problem: String) -> UsageError { UsageError("\(path), line \(index + 1): \(problem)") }
      let line = line.trimmingCharacters(in: Self.blanks)
      guard !line.isEmpty, !line.hasPrefix("#") else { continue }
      guard let colon = line.firstIndex(of: ":") else {
        throw refuse("'\(line)' is not of the form option: value")
      }
      let name = line[..<colon].trimmingCharacters(in: Self.blanks).split(separator: "_").joined(separator: "-")
      guard !name.isEmpty, !name.hasPrefix("-"), !name.contains(" ") else {
        throw refuse("'\(name)' is no option's name; leave out its dashes")
      }
      guard let (value, isQuoted) = Self.value(line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" })
      else {
        throw refuse("the quoted value of \(name) does not end, or something follows it")
      }
      guard name != "config" else { throw refuse("a file cannot name another one; give both on the command line") }
      guard name != "help", name != "version" else {
        throw refuse("\(name) is for the command line; leave the line out")
      }
      guard !value.isEmpty else { throw refuse("\(name) has no value; give one, or leave the line out") }
      guard !entries.contains(where: { $0.name == name }) else { throw refuse("\(name) is given twice; leave one out") }
      entries.append(Entry(name: name, value: value, isQuoted: isQuoted, line: index + 1))
    }
    self.entries = entries
  }

  /// YAML's. Other spaces may begin or end the name of a folder.
  private static let blanks = CharacterSet(charactersIn: " \t")

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
      return (text[..<end].trimmingCharacters(in: blanks), false)
    }
    var (value, rest) = ("", text.dropFirst())
    while let character = rest.popFirst() {
      if character == "\\", quote == "\"" {
        guard let escaped = rest.popFirst() else { return nil }
        switch escaped {
        case "n": value.append("\n")
        case "u":
          guard let scalar = UInt32(rest.prefix(4), radix: 16).flatMap(Unicode.Scalar.init) else { return nil }
          rest = rest.dropFirst(4)
          value.unicodeScalars.append(scalar)
        default: value.append(escaped)
        }
      } else if character == quote {
        // Two single quotes are one.
        guard quote == "'", rest.first == "'" else {
          rest = rest.drop { $0 == " " || $0 == "\t" }
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
      guard Arguments.flags.contains("--\(name)"), !entry.isQuoted else { return ["--\(name)=\(entry.value)"] }
      return switch entry.value {
      case "true": ["--\(name)"]
      case "false": Arguments.flags.contains("--no-\(name)") ? ["--no-\(name)"] : []
      default: ["--\(name)=\(entry.value)"]
      }
    }
  }

  /// Whether an option on the command line, or of a later file, stands in the place of this one.
  private static func isReplaced(_ name: String, by given: Set<String>) -> Bool {
    name == "max-steps" && given.contains("epochs") || name == "epochs" && given.contains("max-steps")
  }
}

extension Arguments {
  /// The options of a training that `plan` has too.
  private static let planned: Set<String> = [
    "backbone-type", "crop-h", "crop-w", "batch-size", "accumulate", "epochs", "max-steps", "validate-on",
    "precision", "reduce",
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
  fileprivate static let flags: Set = [
    "--dry-run", "--no-test", "--tensorboard", "--no-tensorboard", "--tensorboard-histograms", "--json", "--help",
  ]

  private static func read(_ paths: [String]) throws -> [ConfigFile] {
    let communicator = try Communicator.initialize()
    /// Bytes that no file of options has.
    let longest = 1 << 20
    return try paths.map { path in
      var bytes: [UInt8] = []
      var failure: String?
      if communicator.rank == 0 {
        do {
          guard !FileSystem.isDirectory(path, followingLinks: true) else { throw POSIXError(.EISDIR) }
          bytes = [UInt8](try FileHandle(forReadingFrom: URL(fileURLWithPath: path)).read(upToCount: longest) ?? Data())
        } catch {
          failure =
            "\(path): cannot be read (\(error.posixMessage)); give a file of options, such as one of launch/recipes"
        }
      }
      let message = communicator.broadcast(Array((failure ?? "").utf8))
      if !message.isEmpty { throw UsageError(String(decoding: message, as: UTF8.self)) }
      guard bytes.count < longest, let text = String(validating: communicator.broadcast(bytes), as: UTF8.self) else {
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
      try Arguments.requireOneLength(Set(entries.map(\.name)))
      _ = try Train.parse(words(without: []))
    } catch let error as UsageError {
      throw UsageError("\(path): \(error)")
    } catch {
      let message = Train.message(for: error)
      let named = entries.filter { message.contains("--\($0.name)") }.max { $0.name.count < $1.name.count }
      let place = named.map { ", line \($0.line)" } ?? ""
      throw UsageError("\(path)\(place): \(Arguments(["train"]).usageError(message))")
    }
  }
}
