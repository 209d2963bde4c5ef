import Glibc

/// Readers for the small text files of procfs, sysfs and cgroupfs, which are absent if the kernel has nothing to
/// report.
package enum Procfs {
  /// Contents of a file, at most 64 KiB, without surrounding white space; nil if it cannot be read.
  package static func text(of path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    guard let first = text.firstIndex(where: { !$0.isWhitespace }),
      let last = text.lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(text[first...last])
  }

  /// The rest of the first line that starts with `prefix`.
  package static func firstLine(of path: String, after prefix: String) -> String? {
    text(of: path)?.split(separator: "\n").first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }

  /// The number that a file consists of.
  package static func number(in path: String) -> Int? { text(of: path).flatMap { Int($0) } }

  /// The numbers of a file that is a list, for example "0-3,8,10-11"; nil if it cannot be read.
  package static func list(in path: String) -> [Int]? { text(of: path).map(numbers(inList:)) }

  /// No list of processors or NUMA nodes is longer.
  private static let mostNumbers = 1 << 16

  /// Parses the kernel's list format, for example "0-3,8,10-11".
  package static func numbers(inList list: some StringProtocol) -> [Int] {
    var numbers: [Int] = []
    for part in list.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      let ends = part.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last, last < mostNumbers,
        numbers.count + last - first < mostNumbers
      else { continue }
      numbers += first...last
    }
    return numbers
  }

  /// Formats ascending numbers as the kernel does, for example "0-3,8,10-11".
  package static func list(of numbers: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for number in numbers {
      if let run = runs.last, number == run.upperBound + 1 {
        runs[runs.count - 1] = run.lowerBound...number
      } else {
        runs.append(number...number)
      }
    }
    return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }
}
