import Foundation

extension Target {
  private struct Refused: Error, CustomStringConvertible {
    let description: String
  }

  /// Host files, as `read_hosts` of launch/supervise reads them.
  static func hosts(_ folder: Folder) throws -> Target {
    var shell: HostFileShell?
    return Target(
      name: "hosts", share: 0.5,
      seeds: [
        "node1 slots=2\nnode2 slots=04 # of the rack\n\n# none\nnode3\n",
        "\u{FEFF}a.b-c.example slots=1\r\nuser@10.0.0.1\r\n",
      ].map { Array($0.utf8) },
      words: [
        "slots=", "slots = 2", "#", "\u{FEFF}", "\r\n", "$(exit 3)", "`exit 3`", "*", "../", "max_slots=3", "node1",
      ]
    ) { input in
      if shell == nil { shell = try HostFileShell() }
      guard let answer = try shell?.read(try folder.write(input, as: "hosts.txt")) else { return }
      let text = answer.dropFirst()
      guard answer.utf8.count < 8192, answer.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
        fatalError("not a line for a terminal: \(answer.prefix(400).debugDescription)")
      }
      guard answer.first == "+" else {
        guard answer.first == "-", answer.utf8.count < 600, text.contains("; ") || text.contains(", write ") else {
          fatalError("no error with a remedy: \(answer.debugDescription)")
        }
        throw Refused(description: String(text))
      }
      let lines = text.split(separator: ",")
      let host = /[A-Za-z0-9][A-Za-z0-9._:@-]*( slots=[1-9][0-9]{0,4})?/
      let isWhole = lines.allSatisfy { $0.wholeMatch(of: host) != nil }
      guard !lines.isEmpty, isWhole else { fatalError("read as \(text.debugDescription)") }
    }
  }
}

/// A shell that reads one host file after the other.
private final class HostFileShell {
  private let process = Process()
  private let (paths, answers) = (Pipe(), Pipe())
  private var rest = Data()

  private static let script = #"""
    set -euo pipefail
    eval "$(sed -n '/^hosts=() lines=() slots=()$/,/^}$/p' "$0")"
    fail() { printf -- '-%s\n' "$*"; exit; }
    while IFS= read -r hostfile; do
      (read_hosts && printf '+' && printf '%s,' "${lines[@]}" && echo)
    done
    """#

  init() throws {
    let launcher = URL(filePath: #filePath).appending(path: "../../../launch/supervise").standardized.path
    process.executableURL = URL(filePath: "/bin/bash")
    process.arguments = ["-c", Self.script, launcher]
    process.standardInput = paths
    process.standardOutput = answers
    try process.run()
  }

  deinit {
    try? paths.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  func read(_ path: String) throws -> String {
    try paths.fileHandleForWriting.write(contentsOf: Data("\(path)\n".utf8))
    while true {
      if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        defer { rest = Data(rest[(end + 1)...]) }
        return String(decoding: rest[..<end], as: UTF8.self)
      }
      let more = answers.fileHandleForReading.availableData
      guard !more.isEmpty else { fatalError("read_hosts has ended the shell") }
      rest += more
    }
  }
}
