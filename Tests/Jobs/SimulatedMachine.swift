import Foundation

/// A directory that describes a machine as sysfs and cgroupfs do, removed with the object.
package final class SimulatedMachine {
  package let root = FileManager.default.temporaryDirectory.appending(path: "gscnn-machine-\(UUID().uuidString)").path

  package init() {}

  /// - Parameters:
  ///   - caches: the processors of each L3 cache.
  ///   - nodes: those of each NUMA node.
  ///   - siblings: those of each core that has several.
  package convenience init(caches: [Range<Int>], nodes: [Range<Int>], siblings: [[Int]] = []) throws {
    self.init()
    try write("node/online", nodes.count == 1 ? "0" : "0-\(nodes.count - 1)")
    for (node, processors) in nodes.enumerated() { try write("node/node\(node)/cpulist", list(processors)) }
    for processors in caches {
      for processor in processors {
        try write("cpu/cpu\(processor)/cache/index0/level", "1")
        try write("cpu/cpu\(processor)/cache/index3/level", "3")
        try write("cpu/cpu\(processor)/cache/index3/shared_cpu_list", list(processors))
      }
    }
    for core in siblings {
      for processor in core {
        try write("cpu/cpu\(processor)/topology/thread_siblings_list", core.map(String.init).joined(separator: ","))
      }
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  package func write(_ name: String, _ text: String) throws {
    let file = URL(fileURLWithPath: root).appending(path: name)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data((text + "\n").utf8).write(to: file)
  }

  private func list(_ numbers: Range<Int>) -> String { "\(numbers.lowerBound)-\(numbers.upperBound - 1)" }
}
