import Foundation
import System

extension TrainingOptions {
  /// All options of the run with their values, as the command line takes them; those that are off are left out, and so
  /// are those of a single call (`--resume`, `--stop-after`, `--timeline`, `--stall-timeout`).
  package var settings: [(option: String, value: String)] {
    var settings = [("--data-path", dataPath)]
    settings += Self.optional("--classes", classesFile) + Self.optional("--prepared", prepared)
    settings += [("--save-path", savePath)] + Self.optional("--pretrained", pretrained)
    settings += shaping
    settings += [
      ("--on-nonfinite", (onNonFinite ?? .stop).rawValue), ("--validate-on", validators.rawValue),
      ("--validate-every", "\(validateEvery)"), ("--test", test.rawValue),
    ]
    settings += Self.optional("--checkpoint-every", checkpointEvery)
    settings += [("--checkpoint-minutes", "\(checkpointMinutes ?? 0)"), ("--keep", "\(keep)")]
    settings += Self.optional("--cache-gb", cacheGigabytes) + Self.optional("--threads", threads)
    settings.append(("--log-every", "\(logEvery)"))
    return settings + tensorBoard.settings
  }

  /// The settings as a file for `--config`.
  package var configuration: String {
    let lines = settings.map { option, value in
      "\(option.dropFirst(2)): \(Self.flags.contains(option) ? value : Self.quoted(Self.plain(option, value)))\n"
    }
    return "# The options of the run's last start, for gscnn train --config FILE.\n" + lines.joined()
  }

  /// The settings in a text as `configuration` writes it; lines of another form are left out.
  package static func settings(ofConfiguration text: String) -> [(option: String, value: String)] {
    text.split(whereSeparator: \.isNewline).compactMap { line in
      guard !line.hasPrefix("#"), let colon = line.range(of: ": ") else { return nil }
      return ("--" + line[..<colon.lowerBound], unquoted(line[colon.upperBound...]))
    }
  }

  /// The settings as lines of text.
  package func listing(width: Int = 110) -> [String] {
    var lines = ["options:"]
    for (option, value) in settings {
      let entry = " \(option.dropFirst(2)) \(Self.plain(option, value)),"
      if lines[lines.count - 1].count + entry.count > width { lines.append("  ") }
      lines[lines.count - 1] += entry
    }
    lines[lines.count - 1].removeLast()
    return lines
  }

  /// Those whose value is true or false, without quotes.
  private static let flags: Set = ["--tensorboard", "--tensorboard-histograms"]

  private static let paths: Set = ["--data-path", "--classes", "--prepared", "--save-path", "--pretrained"]

  /// 1.0 → "1".
  private static func plain(_ option: String, _ value: String) -> String {
    paths.contains(option) ? value : value.withoutZeroFraction
  }

  /// The value as YAML has it, in quotes if it would be read as something else.
  private static func quoted(_ value: String) -> String {
    let special =
      value.contains { "#\"'\\".contains($0) } || value.unicodeScalars.contains(where: \.isControl)
      || value.first.map { "@`&*!|>%[]{}-?, ".contains($0) } ?? true
    let isWord = ["true", "false", "null", "~"].contains(value)
    guard special || isWord || value.hasSuffix(" ") || value.hasSuffix(":") || value.contains(": ") else {
      return value
    }
    let escaped = value.unicodeScalars.map { scalar in
      switch scalar {
      case "\"", "\\": "\\\(scalar)"
      case _ where scalar.isControl: String(format: "\\u%04X", scalar.value)
      default: String(scalar)
      }
    }
    return "\"\(escaped.joined())\""
  }

  /// The inverse of `quoted`.
  private static func unquoted(_ text: Substring) -> String {
    guard text.count > 1, text.hasPrefix("\""), text.hasSuffix("\"") else { return String(text) }
    var value = ""
    var rest = text.dropFirst().dropLast()
    while let character = rest.popFirst() {
      guard character == "\\", let escaped = rest.popFirst() else {
        value.append(character)
        continue
      }
      if escaped == "u", let scalar = UInt32(rest.prefix(4), radix: 16).flatMap(Unicode.Scalar.init) {
        rest = rest.dropFirst(4)
        value.unicodeScalars.append(scalar)
      } else {
        value.append(escaped)
      }
    }
    return value
  }
}
