import Foundation
import Jobs
import Tensors
import Testing

extension CommandLine {
  @Suite("Instruction sets")
  struct InstructionSetTests {
    let work: Workplace

    init() throws {
      work = try Workplace()
      try work.makeStreets()
    }

    @Test("Losses agree to a thousandth over the instruction sets that this processor supports")
    func sameLosses() throws {
      let losses = try InstructionSet.supported.map { set in
        let results = "results-\(set.rawValue)"
        let job = try work.gscnn(
          ["train", "--data-path", "data", "--save-path", results, "--crop-h", "32", "--crop-w", "32"]
            + ["--batch-size", "2", "--stop-after", "2", "--no-test"],
          environment: [InstructionSet.variable: set.rawValue])
        #expect(job.status == 0, "\(set): \(job.errors)")
        let lines = try work.text("\(results)/resnet50_32_32_steps.csv").split(separator: "\n").dropFirst()
        return lines.map { $0.split(separator: ",").dropFirst(2).prefix(4).compactMap { Double($0) } }
      }
      let first = try #require(losses.first)
      #expect(first.count == 2 && first.allSatisfy { $0.count == 4 })
      for other in losses.dropFirst() {
        for (mine, theirs) in zip(first.joined(), other.joined()) { #expect(abs(mine - theirs) <= 1e-3 * abs(mine)) }
      }
    }

    @Test("An unknown instruction set is refused with the list of those available")
    func unknown() throws {
      let job = try work.gscnn("info", "none", environment: [InstructionSet.variable: "neon"])
      #expect(job.status == 2)
      #expect(
        job.errors == [
          "gscnn: GSCNN_INSTRUCTIONS neon: there is no such instruction set; give one of "
            + InstructionSet.supported.map(\.rawValue).joined(separator: ", ") + ", or leave the variable out"
        ])
    }
  }
}
