import Glibc

/// A file in which the kernel tells about the system: small, and absent where it has nothing to tell.
enum Procfs {
  /// What a file holds, 64 KiB at most, without white space around it; nil where it cannot be read.
  static func text(of path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    guard let first = text.firstIndex(where: { !$0.isWhitespace }),
      let last = text.lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(text[first...last])
  }

  /// What follows `beginning` in the first line that begins with it.
  static func firstLine(of path: String, after beginning: String) -> String? {
    text(of: path)?.split(separator: "\n").first { $0.hasPrefix(beginning) }.map {
      String($0.dropFirst(beginning.count))
    }
  }

  static func number(in path: String) -> Int? { text(of: path).flatMap { Int($0) } }

  /// The numbers of a list such as "0-3,8,10-11"; nil where the file cannot be read.
  static func list(in path: String) -> [Int]? { text(of: path).map(numbers(inList:)) }

  /// Reads the kernel's lists of processors, for example "0-3,8,10-11".
  static func numbers(inList list: some StringProtocol) -> [Int] {
    list.split { $0 == "," || $0.isWhitespace }.flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 16 else { return [] }
      return Array(first...last)
    }
  }

  /// The other way round: runs of neighbors become "first-last".
  static func list(of numbers: [Int]) -> String {
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
