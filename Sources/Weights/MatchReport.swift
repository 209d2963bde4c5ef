/// Which tensors of a file match those of a network.
package struct MatchReport: Sendable, Equatable, CustomStringConvertible {
  /// Whose names the file uses, and under which prefix: "timm under backbone."; nil if it has none of the network's.
  package internal(set) var naming: String?
  /// Names of the network that the file has, with the right shape.
  package internal(set) var matched: [String] = []
  /// Names of the network that the file lacks, but for `num_batches_tracked`, which nothing is computed from.
  package internal(set) var missing: [String] = []
  /// Names of the file that the network lacks.
  package internal(set) var unexpected: [String] = []
  /// Tensors of another shape or type, each with the difference.
  package internal(set) var incompatible: [String] = []
  /// Names of the file that no network here needs: classifiers, and other heads beside a backbone.
  package internal(set) var ignored: [String] = []

  /// Why the file does not match the network; nil if every tensor matches.
  var difference: String? {
    let parts = [("lacks", missing), ("has the unexpected", unexpected), ("has a mismatch:", incompatible)]
    let words = parts.filter { !$0.1.isEmpty }.map { "\($0.0) \(Self.first($0.1))" }
    return words.isEmpty ? nil : words.joined(separator: "; ")
  }

  /// One line for the user.
  package var description: String { text("loaded") }

  /// One line, with a verb for the tensors that match.
  package func text(_ verb: String) -> String {
    var words = ["\(matched.count) tensors \(verb)" + (naming.map { ", named as by \($0)" } ?? "")]
    if !missing.isEmpty { words.append("\(missing.count) missing from the file: \(Self.first(missing))") }
    if !incompatible.isEmpty {
      words.append("\(incompatible.count) of another shape or type: \(Self.first(incompatible))")
    }
    if !unexpected.isEmpty { words.append("\(unexpected.count) unexpected in the file: \(Self.first(unexpected))") }
    return words.joined(separator: "; ")
  }

  /// The first few names.
  static func first(_ names: [String]) -> String {
    let few = names.prefix(3).joined(separator: ", ")
    return names.count > 3 ? "\(few) and \(names.count - 3) more" : few
  }
}
