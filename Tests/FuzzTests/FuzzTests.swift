import Jobs
import Testing

@Suite("Mutated inputs")
struct FuzzTests {
  @Test("No mutated file or text makes a reader crash, hang or take more than 1 GB")
  func fixedMinute() throws {
    // A minute on two cores; Tests/fuzz reads a million.
    let job = try Job.run("FuzzProgram", ["--inputs", "100000", "--seed", "7"], limit: 1800)
    #expect(job.status == 0, "\(job.output.joined(separator: "\n"))")
  }
}
