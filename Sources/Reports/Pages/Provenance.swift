import System
import Training

/// On what a run ran, and the commands that make it again.
struct Provenance {
  let record: RunRecord

  /// The ranks of the last start, and each start.
  ///
  /// - Parameter name: of the run, on a page of several.
  func ranks(of name: String? = nil) -> [HTML] {
    func label(_ text: String) -> String { name.map { "\(text), \($0)" } ?? text }
    let run: RunDescriptionFile
    do { run = try record.description.get() } catch { return [.missing("\(error)")] }
    guard let last = run.starts.last else {
      return [.missing("\(record.paths.description) names no start of the run.")]
    }
    return HTMLBuilder.content {
      HTML.tag("p") {
        "\(Figures.count(last.ranks, "rank")), \(last.instructionSet) instructions, since \(last.time)"
        run.starts.count > 1 ? ", the last of \(run.starts.count) starts:" : ":"
      }
      HTML.listing(label("Layout of the ranks"), last.layout.joined(separator: "\n"))
      if run.starts.count > 1 {
        HTML.scrolling(label("Starts of the run")) {
          HTML.tag("table", ["class": "numbers"]) {
            HTML.tag("caption") { "Starts of the run" }
            HTML.header(["time", "steps done", "ranks", "instructions", "version"])
            HTML.tag("tbody") {
              for start in run.starts {
                HTML.tag("tr") {
                  HTML.tag("th", ["scope": "row"]) { start.time }
                  for text in ["\(start.step)", "\(start.ranks)", start.instructionSet, start.version] {
                    HTML.tag("td") { text }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  /// - Parameter dataPath: the data set, if it is not where the run had it.
  func page(dataPath: String?) -> [HTML] {
    let words = ["gscnn", "report", record.prefix] + (dataPath.map { ["--data-path", $0] } ?? [])
    return [.tag("p") { "This page:" }, .command(Shell.quoted(words))]
  }

  /// - Parameter dataPath: the data set, if it is not where the run had it.
  func commands(dataPath: String? = nil) -> [HTML] {
    let run = try? record.description.get()
    let data = Shell.quoted(dataPath ?? record.dataPath ?? "data")
    let (paths, first, last) = (record.paths, run?.starts.first, run?.starts.last)
    let launcher = last.map { $0.ranks > 1 ? "ranks -n \($0.ranks) " : "" } ?? ""
    return HTMLBuilder.content {
      if let first {
        HTML.tag("p") {
          "Each rank was started by gscnn \(first.version)"
          if let folder = first.folder { " in the folder \(folder), to which paths are relative," }
          " as"
        }
        HTML.command(Shell.quoted(first.command))
      } else if case .failure(let missing) = record.description {
        HTML.missing("The command line is not known: \(missing)")
      }
      HTML.tag("p") {
        "The same training again, to the same bits with the same version, instruction set and data, in another folder:"
      }
      HTML.command("\(launcher)gscnn train --config \(Shell.quoted(paths.options)) --save-path AGAIN")
      HTML.tag("p") { "Its best model, measured and shown anew:" }
      HTML.command(
        "\(launcher)gscnn evaluate --data-path \(data) --model-weight \(Shell.quoted(paths.model)) --report evaluation.html"
      )
    }
  }
}

extension HTML {
  /// A command line to copy. Lines break at its spaces, not at its dashes.
  static func command(_ text: String) -> HTML {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    return .tag("pre") {
      HTML.tag("code") {
        for (index, word) in words.enumerated() {
          if index > 0 { " " }
          HTML.tag("span", ["class": "word"]) { String(word) }
        }
      }
    }
  }

  /// Lines of text as they are.
  static func listing(_ label: String, _ text: String) -> HTML {
    .tag("pre", ["role": "region", "aria-label": label]) { text }
  }
}

/// Words of a command line.
package enum Shell {
  package static func quoted(_ words: [String]) -> String { words.map(quoted).joined(separator: " ") }

  /// The word as a POSIX shell reads it, in quotes if it needs them.
  package static func quoted(_ word: String) -> String {
    let plain = word.unicodeScalars.allSatisfy { scalar in
      scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "_-./=:,+@%".unicodeScalars.contains(scalar)
    }
    guard word.isEmpty || !plain else { return word }
    return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
