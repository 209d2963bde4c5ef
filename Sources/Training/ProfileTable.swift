import Foundation
import Layers

extension Profile {
  /// The parts of a repetition: mean seconds, share of the whole, and how much of the processor's peak the part's arithmetic took.
  package func table(for result: Benchmarks.Result) -> String {
    let repetitions = Double(max(result.seconds.count, 1))
    let whole = result.seconds.reduce(0, +) / repetitions
    func line(_ name: String, _ seconds: Double, _ rate: Double?) -> String {
      let name = name.padding(toLength: 36, withPad: " ", startingAt: 0)
      let share =
        rate.flatMap { rate in result.peakGflops.map { String(format: "%9.1f %9.2f", rate, rate / $0) } } ?? ""
      return name + String(format: "%9.3f %6.1f %%", seconds, 100 * seconds / max(whole, 1e-12)) + share
    }
    var lines = ["part                                      seconds   share  GFLOP/s   of peak"]
    var sum = 0.0
    for part in Part.allCases {
      guard let total = seconds[part] else { continue }
      sum += total / repetitions
      let work = multiplications[part].map { 2e-9 * $0 / max(total, 1e-12) }
      lines.append(line(part.rawValue, total / repetitions, work.flatMap { $0 > 0 ? $0 : nil }))
    }
    lines.append(line("between them", whole - sum, nil))
    lines.append(line("the whole", whole, nil))
    return lines.joined(separator: "\n")
  }
}
