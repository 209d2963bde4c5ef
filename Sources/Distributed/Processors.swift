import Glibc

/// What the system lets this process compute on.
package enum Processors {
  /// Numbers of the processors in the affinity mask that are running, ascending.
  package static func available() -> [Int] {
    let online = firstLine(of: "/sys/devices/system/cpu/online").map(numbers(inList:)) ?? []
    let allowed = firstLine(of: "/proc/self/status", after: "Cpus_allowed_list:").map(numbers(inList:)) ?? online
    let available = online.isEmpty ? allowed : Set(allowed).intersection(online).sorted()
    return available.isEmpty ? Array(0..<max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) : available
  }

  /// Processors' worth of time that the container may use, rounded up; nil where it is not limited.
  package static func quotaOfContainer() -> Int? { firstLine(of: "/sys/fs/cgroup/cpu.max").flatMap(count(ofQuota:)) }

  /// Reads the kernel's lists of processors, for example "0-3,8,10-11".
  package static func numbers(inList list: String) -> [Int] {
    list.split { $0 == "," || $0.isWhitespace }.flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 16 else { return [] }
      return Array(first...last)
    }
  }

  /// Reads a cgroup's "microseconds per period", for example "200000 100000", or "max 100000".
  package static func count(ofQuota line: String) -> Int? {
    let numbers = line.split(whereSeparator: \.isWhitespace).map { Int($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], period > 0 else { return nil }
    return max(1, (quota + period - 1) / period)
  }

  /// What follows `beginning` in the first line of a file that begins with it.
  static func firstLine(of path: String, after beginning: String = "") -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [CChar](repeating: 0, count: 8192)
    while fgets(&bytes, Int32(bytes.count), file) != nil {
      let line = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if line.hasPrefix(beginning) { return String(line.dropFirst(beginning.count)) }
    }
    return nil
  }
}
