import Foundation
import Training

/// What the processor must be able to do.
enum Processor {
  /// Stops with a sentence where the arithmetic would stop with an illegal instruction.
  static func check() throws {
    #if arch(x86_64)
      // The kernel's own list: an instruction counts only if the system saves its registers.
      guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
        let flags = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
      else { return }
      let present = Set(flags.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ":" }))
      let missing = ["avx2", "fma", "bmi2", "f16c"].filter { !present.contains(Substring($0)) }
      guard missing.isEmpty else {
        throw TrainingError(
          "this processor lacks \(missing.joined(separator: ", ")), which this build of gscnn needs; "
            + "run it on an x86-64 machine of 2015 or later")
      }
    #endif
  }
}
