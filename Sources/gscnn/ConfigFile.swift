import Distributed
import Foundation
import System

/// A file of options for `--config`: `option: value` on each line, the names as on the command line without the dashes;
/// `#` begins a comment. Such a file is YAML.
struct ConfigFile {
  let path: String
  let options: [(name: String, value: String)]

  /// - Throws: `UsageError` that names the line.
  init(_ text: String, path: String) throws {
    self.path = path
    var options: [(name: String, value: String)] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      func refuse(_ problem: String) -> UsageError { UsageError("\(path), line \(index + 1): \(problem)") }
      let line = Self.withoutComment(line)
      guard !line.isEmpty else { continue }
      guard let colon = line.firstIndex(of: ":") else {
        throw refuse("'\(line)' is not of the form option: value")
      }
      let name = line[..<colon].trimmingCharacters(in: .whitespaces).split(separator: "_").joined(separator: "-")
      let value = Self.unquoted(line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
      guard !name.isEmpty, !name.hasPrefix("-"), !name.contains(" ") else {
        throw refuse("'\(name)' is no option's name; leave out its dashes")
      }
      guard name != "config" else { throw refuse("a file cannot name another one; give both on the command line") }
      guard !value.isEmpty else { throw refuse("\(name) has no value; give one, or leave the line out") }
      guard !options.contains(where: { $0.name == name }) else { throw refuse("\(name) is given twice; leave one out") }
      options.append((name, value))
    }
    self.options = options
  }

  private static func withoutComment(_ line: Substring) -> String {
    // A comment begins the line, or follows a space.
    var end = line.endIndex
    for index in line.indices where line[index] == "#" {
      if index == line.startIndex || line[line.index(before: index)].isWhitespace {
        end = index
        break
      }
    }
    return line[..<end].trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private static func unquoted(_ value: String) -> String {
    for quote in ["\"", "'"] where value.count > 1 && value.hasPrefix(quote) && value.hasSuffix(quote) {
      return String(value.dropFirst().dropLast())
    }
    return value
  }

  /// The words that give the options on the command line, but for those that it gives itself.
  ///
  /// - Parameters:
  ///   - given: the names of the options on the command line.
  ///   - known: those that the command has; `nil`: all.
  func words(without given: Set<String>, known: Set<String>? = nil) -> [String] {
    options.flatMap { name, value -> [String] in
      guard !given.contains(name), known?.contains(name) ?? true, !Self.isReplaced(name, by: given) else { return [] }
      return switch value {
      case "true": ["--\(name)"]
      case "false", "null", "~": []
      default: ["--\(name)=\(value)"]
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
      if word == "--config" {
        guard let path = iterator.next() else { throw UsageError("--config: the value is missing; give a file") }
        paths.append(path)
      } else if word.hasPrefix("--config=") {
        paths.append(String(word.dropFirst("--config=".count)))
      } else if word.hasPrefix("@") {
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
      given.formUnion(file.options.map(\.name))
    }
    return Arguments([command] + inserted + rest)
  }

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
