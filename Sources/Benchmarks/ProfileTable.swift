import Foundation
import Layers

extension Profile {
  /// The parts of a repetition: mean seconds, share of the whole, the most memory that buffers had meanwhile, and how much
  /// of the processor's peak the part's arithmetic took.
  package func table(for result: BenchmarkResult) -> String {
    let repetitions = Double(max(result.seconds.count, 1))
    let whole = result.seconds.reduce(0, +) / repetitions
    func line(_ name: String, _ seconds: Double, _ bytes: Int?, _ rate: Double?) -> String {
      let name = name.padding(toLength: 36, withPad: " ", startingAt: 0)
      let share =
        rate.flatMap { rate in result.peakGflops.map { String(format: "%9.1f %9.2f", rate, rate / $0) } } ?? ""
      let memory = bytes.map { String(format: "%8d", $0 / 1_000_000) } ?? "        "
      return name + String(format: "%9.3f %6.1f %%", seconds, 100 * seconds / max(whole, 1e-12)) + memory + share
    }
    var lines = ["part                                      seconds   share  peak MB  GFLOP/s   of peak"]
    var sum = 0.0
    for part in Part.allCases {
      guard let total = seconds[part] else { continue }
      sum += total / repetitions
      let work = macs[part].map { 2e-9 * $0 / max(total, 1e-12) }
      lines.append(line(part.rawValue, total / repetitions, peakBytes[part], work.flatMap { $0 > 0 ? $0 : nil }))
    }
    lines.append(line("between them", whole - sum, nil, nil))
    lines.append(line("the whole", whole, peakBytes.values.max(), nil))
    return lines.joined(separator: "\n")
  }

  /// What a pass keeps for its backward pass, by place in the network and operation; nil where there was no backward pass.
  package func memoryTable() -> String? {
    guard kept.atBackwardStart > 0 else { return nil }
    func line(_ place: String, _ operation: String, _ bytes: Int) -> String {
      place.padding(toLength: 16, withPad: " ", startingAt: 0)
        + operation.padding(toLength: 36, withPad: " ", startingAt: 0)
        + String(format: "%9.1f", Double(bytes) / 1e6)
    }
    var groups: [(place: String, part: Part, bytes: Int)] = []
    for value in kept.values {
      let place = value.name.map(Self.place) ?? "no parameters"
      if let index = groups.firstIndex(where: { $0.place == place && $0.part == value.part }) {
        groups[index].bytes += value.bytes
      } else {
        groups.append((place, value.part, value.bytes))
      }
    }
    let sum = groups.reduce(0) { $0 + $1.bytes }
    return
      (["kept for the backward pass: outputs of                          MB"]
      + groups.map { line($0.place, $0.part.rawValue, $0.bytes) }
      + [
        line("the sum", "", sum), line("there before", "parameters, gradients, momentum", kept.before),
        line("besides", "the losses' gradients, and the rest", kept.atBackwardStart - kept.before - sum),
        line("at the turn", "", kept.atBackwardStart),
      ]).joined(separator: "\n")
  }

  /// A stage of the backbone or a stream.
  private static func place(of name: String) -> String {
    let path = name.split(separator: ".").map(String.init)
    guard path.first == "regular_stream", path.count > 2 else { return path[0] }
    return path[2].hasPrefix("layer") ? path[2] : "stem"
  }
}
