import Foundation
import Layers
import Microkernels
import System

extension Profile.Part {
  /// What a part of a network of that precision multiplies, or reads and writes if it multiplies no matrices. Winograd's
  /// products are in single precision.
  fileprivate func precision(of network: Precision) -> Precision {
    [.conv1x1, .batchNorm, .resampling, .elementwise].contains(self) ? network : .float32
  }
}

extension Profile {
  /// A table of the parts of a repetition: precision, mean seconds, share of the whole, peak memory of all buffers during
  /// the part, and arithmetic per second, also as a fraction of the measured peak of that precision.
  package func table(for result: BenchmarkResult) -> String {
    let repetitions = Double(max(result.seconds.count, 1))
    let whole = result.seconds.reduce(0, +) / repetitions
    let precision = result.precision.flatMap(Precision.init(rawValue:)) ?? .float32
    func line(
      _ name: String, _ precision: Precision?, _ seconds: Double, _ bytes: Int?, _ rate: Double?
    ) -> String {
      let name =
        name.padding(toLength: 36, withPad: " ", startingAt: 0)
        + (precision?.rawValue ?? "").padding(toLength: 9, withPad: " ", startingAt: 0)
      let peak = precision == .bfloat16 ? result.peakBfloat16Gflops : result.peakGflops
      let share = rate.flatMap { rate in peak.map { String(format: "%9.1f %9.2f", rate, rate / $0) } } ?? ""
      let memory = bytes.map { String(format: "%8d", $0 / 1_000_000) } ?? "        "
      return name + String(format: "%9.3f %6.1f %%", seconds, 100 * seconds / max(whole, 1e-12)) + memory + share
    }
    var lines = ["part                                precision  seconds   share  peak MB  GFLOP/s   of peak"]
    var sum = 0.0
    for part in Part.allCases {
      guard let total = seconds[part] else { continue }
      sum += total / repetitions
      let work = macs[part].map { 2e-9 * $0 / max(total, 1e-12) }
      lines.append(
        line(
          part.rawValue, part.precision(of: precision), total / repetitions, peakBytes[part],
          work.flatMap { $0 > 0 ? $0 : nil }))
    }
    lines.append(line("between parts", nil, whole - sum, nil, nil))
    lines.append(line("total", nil, whole, peakBytes.values.max(), nil))
    return lines.joined(separator: "\n")
  }

  /// A table of the activations that a pass saves for its backward pass, by block of the network and operation; `nil` if
  /// there was no backward pass.
  package func memoryTable() -> String? {
    guard activations.atBackwardStart > 0 else { return nil }
    func line(_ block: String, _ operation: String, _ bytes: Int) -> String {
      block.padding(toLength: 16, withPad: " ", startingAt: 0)
        + operation.padding(toLength: 36, withPad: " ", startingAt: 0)
        + String(format: "%9.1f", Double(bytes) / 1e6)
    }
    var groups: [(block: String, part: Part, bytes: Int)] = []
    for value in activations.outputs {
      let block = value.name.map(Self.block) ?? "no parameters"
      if let index = groups.firstIndex(where: { $0.block == block && $0.part == value.part }) {
        groups[index].bytes += value.bytes
      } else {
        groups.append((block, value.part, value.bytes))
      }
    }
    let sum = groups.reduce(0) { $0 + $1.bytes }
    return
      (["saved for the backward pass: outputs of                         MB"]
      + groups.map { line($0.block, $0.part.rawValue, $0.bytes) }
      + [
        line("total", "", sum), line("before", "parameters, gradients, momentum", activations.before),
        line("other", "gradients of the losses, the rest", activations.atBackwardStart - activations.before - sum),
        line("live", "when the backward pass begins", activations.atBackwardStart),
      ]).joined(separator: "\n")
  }

  /// The stage of the backbone, or the stream, that a parameter belongs to.
  private static func block(of name: String) -> String {
    let path = name.split(separator: ".").map(String.init)
    guard path.first == "regular_stream", path.count > 2 else { return path[0] }
    return path[2].hasPrefix("layer") ? path[2] : "stem"
  }
}
