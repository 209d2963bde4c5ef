import Foundation
import Jobs
import Testing

extension CommandLine {
  /// Runs `gscnn` with a standard error that cannot be written.
  static func silenced(_ words: [String]) throws -> Job {
    try Job.run("gscnn", words, under: ["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"])
  }

  @Suite("Two ranks")
  struct RanksTests {
    let work: Workplace

    init() throws {
      work = try Workplace()
      try work.makeStreets()
    }

    @Test(
      "An error of all ranks is reported once, without a rank, and the job ends with its status",
      arguments: [
        (["train", "--crop-h"], 2, "missing value for '--crop-h <pixels>'"),
        (["train", "--crop-h", "0"], 2, "the value '0' is invalid for '--crop-h <pixels>': give a number"),
        (["frobnicate"], 2, "there is no command 'frobnicate'"),
        (["train", "--data-path", "nowhere"], 1, "nowhere: holds no images"),
        (["prepare", "--data-path", "nowhere"], 1, "nowhere: holds no images"),
        (["evaluate", "--model-weight", "none"], 1, "none: cannot open: No such file or directory; check the path"),
        (["train", "--batch-size", "2", "--save-path", "/proc/results"], 1, "--save-path /proc/results"),
        (["info", "none"], 1, "none: there is no such file"),
      ])
    func once(words: [String], status: Int, message: String) throws {
      try work.expectRefusal(words, ranks: 2, status: Int32(status), saying: "gscnn: \(message)")
    }

    @Test("An error of one rank is reported with the rank")
    func oneRank() throws {
      #expect(try work.gscnn("prepare", ranks: 2).output.first == "7 images prepared in data/prepared")
      #expect(try work.gscnn("prepare", ranks: 2).output.first == "everything is prepared in data/prepared")
      let file = Workplace.image("train", 1)
      // Inside, where the look at the headers of all files does not find it.
      try work.damage(file)
      // In file order the second image of the first batch belongs to rank 1.
      let job = try work.gscnn(Workplace.training + ["--augment", "none"], ranks: 2)
      #expect(job.status == 1)
      let messages = job.errors.filter { $0.hasPrefix("gscnn: ") }
      #expect(messages.count == 1)
      #expect(messages.first?.hasPrefix("gscnn: rank 1 on ") == true)
      #expect(messages.first?.contains("\(file): is damaged (") == true)
      #expect(job.errors.last == messages.last)
    }

    @Test(
      "Under launch/ranks too the last line names rank, host, phase, step and cause",
      .enabled(if: LaunchTests.isBuilt, "there is no release build"),
      arguments: [
        ("kill", "was killed (signal 9"), ("exit", "exited without an error message"),
        ("error", "GSCNN_FAULT: this error"),
      ])
    func launchRanks(action: String, message: String) throws {
      let launch = ["env", "-C", work.folder, StandIns.launch + "/ranks", "-n", "2", "gscnn"]
      let job = try Job.run(
        command: launch + Workplace.training + ["--no-test"],
        environment: ["GSCNN_FAULT": "rank=1 phase=backward step=2 action=\(action)"])
      #expect(job.status != 0)
      let line = try #require(job.errors.last)
      #expect(line.hasPrefix("gscnn: rank 1 on "), "\(job.errors)")
      #expect(line.contains(message) && line.contains(" in backward, step 2"), "\(line)")
    }

    @Test("Work for one process is done once under mpirun")
    func aloneUnderMpirun() throws {
      let made = try work.gscnn(
        "synthesize", "--data-path", "more", "--train", "1", "--val", "1", "--test", "0", "--height", "32", "--width",
        "32", ranks: 2)
      #expect(made.output == ["more: 2 images of 32×32"])
      let sum = try work.gscnn(
        "bench", "allreduce", "--bytes", "400000", "--reduce", "bfloat16", "--steps", "2", ranks: 2)
      #expect(sum.status == 0)
      #expect(sum.output.count == 1)
      #expect(sum.output.first?.contains(#""ranks":2"#) == true)
    }
  }
}
