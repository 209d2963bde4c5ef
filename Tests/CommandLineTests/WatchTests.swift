import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Watching a run")
  struct WatchTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    /// A run of two epochs in `results`, and what it has said.
    private func train() throws -> Job {
      try work.makeStreets()
      let job = try work.gscnn(
        Workplace.training + ["--epochs", "2", "--log-every", "1", "--test", "never", "--threads", "1"])
      try #require(job.status == 0, "\(job.errors)")
      return job
    }

    @Test("A finished run is printed once into a pipe, without control sequences and no wider than asked")
    func once() throws {
      let training = try train()
      #expect(
        training.errors.contains { $0.hasPrefix("  val ") } && training.errors.contains { $0.hasPrefix("  vs 1") })
      #expect(!training.errors.joined().contains("\u{1B}"))
      let status = try work.text("results/resnet50_32_32/status.json")
      #expect(status.contains(#""state":"finished""#) && status.contains(#""epoch":2,"epochs":2"#), "\(status)")
      for (environment, isUTF8) in [
        (["COLUMNS": "60", "LC_ALL": "C.UTF-8"], true), (["COLUMNS": "60", "LC_ALL": "C", "NO_COLOR": "1"], false),
        (["COLUMNS": "60", "LC_ALL": "C.UTF-8", "TERM": "dumb"], true),
      ] {
        for words in [["watch"], ["watch", "results/resnet50_32_32", "--once"]] {
          let before = try work.contents()
          let job = try work.gscnn(words, environment: environment)
          #expect(job.status == 0 && job.errors == [], "\(job.errors)")
          #expect(job.output.first?.contains("resnet50_32_32: finished ") == true, "\(job.output)")
          #expect(job.output.contains("loss of 4 steps") && job.output.contains { $0.hasPrefix("2         2  ") })
          #expect(job.output.allSatisfy { $0.count <= 60 }, "\(job.output)")
          #expect(job.output.joined().utf8.allSatisfy { $0 < 128 && $0 >= 32 } == !isUTF8)
          #expect(try work.contents() == before)
        }
      }
    }

    @Test("Where there is no run yet, a call that prints once says so")
    func nothing() throws {
      try work.expectRefusal(
        ["watch", "elsewhere", "--once"], status: 1, saying: "elsewhere: holds no run yet", "--save-path")
    }

    @Test("A status file that cannot be written is a warning, and the run goes on")
    func unwritable() throws {
      try FileManager.default.createDirectory(
        atPath: work.place("results/resnet50_32_32/status.json/in the way"), withIntermediateDirectories: true)
      let job = try train()
      let warnings = job.errors.filter { $0.contains("status.json") }
      #expect(warnings.count == 1 && warnings[0].contains("training goes on"), "\(job.errors)")
      #expect(job.errors.last?.hasPrefix("done; best validation class mIoU ") == true)
    }

    private static let steps = [
      "epoch,step,loss,learning_rate,images_per_second", "1,1,2.5,0.01,0.3", "1,2,2.25,0.01,0.3", "2,1,2,0.01,0.3",
      "2,2,1.5,0.01,0.3",
    ]
    private static let status =
      #"{"state":"finished","time":2000,"begin":1000,"host":"node1","process":1,"ranks":[]}"#

    private static let lacksTmux =
      (try? Job.run(command: ["tmux", "-V"]))?.status != 0

    @Test(
      "On a terminal it waits for a run, follows it, fits every size, and gives the screen back",
      .enabled(if: !lacksTmux, "needs tmux"))
    func terminal() throws {
      let terminal = try Tmux(in: work.folder)
      try terminal.type("clear; echo before; '\(Job.path(of: "gscnn"))' watch results")
      try terminal.wait { $0.first?.hasPrefix("results: no run has begun there yet") == true }

      try FileManager.default.createDirectory(
        atPath: work.place("results/resnet50_32_32"), withIntermediateDirectories: true)
      try work.write(
        Data((Self.steps.joined(separator: "\n") + "\n").utf8), to: "results/resnet50_32_32_steps.csv")
      try work.write(Data(Self.status.utf8), to: "results/resnet50_32_32/status.json")
      try terminal.wait { $0.first?.hasPrefix("results/resnet50_32_32: finished ") == true }
      #expect(try terminal.screen().last == "q quits")
      for (columns, rows) in [(40, 20), (200, 50), (24, 12), (80, 24)] {
        try terminal.resize(columns, rows)
        // The last row is at the bottom of the new size once it is drawn anew.
        try terminal.wait { screen in
          screen.first?.contains("resnet50_32_32:") == true && screen.contains("q quits") && screen.count <= rows
            && screen.contains { $0.contains("learning rate") } == (columns >= 80)
        }
        #expect(try terminal.screen() == terminal.screen(joinsWrapped: true), "\(columns)×\(rows)")
      }

      // A line as wide as the terminal keeps its last character.
      try terminal.resize(15, 24)
      try terminal.wait { $0.first == "resnet50_32_32:" && $0.last == "q quits" }
      try terminal.resize(80, 24)

      // The lines of a resumed run, which replaces the file.
      let path = work.place("results/resnet50_32_32_steps.csv")
      let resumed = Self.steps[0...2] + ["7,77,0.5,0.01,0.3"]
      try Data((resumed.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
      try terminal.wait {
        $0.contains { $0.hasPrefix("7        77  ") } && $0.contains { $0.hasPrefix("loss of 3 steps") }
      }

      // Neither a core dump nor a stopped process, which would leave the screen as it is.
      try terminal.press("C-\\")
      try terminal.press("C-z")
      try terminal.resize(81, 24)
      try terminal.wait { $0.contains { $0.hasPrefix("loss of 3 steps") } }
      try terminal.press("C-c")
      try terminal.wait { $0.first == "before" && !$0.contains { $0.contains("resnet50") } }
      // A line that is typed is shown again.
      try terminal.type("echo $((6 * 7))")
      try terminal.wait { $0.contains("42") }
      #expect(try terminal.screen().contains { $0.hasSuffix("echo $((6 * 7))") })
    }
  }
}

/// A shell in a terminal of tmux, 80 by 24 at first.
private final class Tmux {
  private let name = "gscnn-\(UUID().uuidString)"

  /// Foundation takes a process for ended when the descriptors that it has inherited are closed; the server of tmux, which
  /// stays, would keep them open.
  private static let script = """
    for descriptor in /proc/self/fd/*; do
      number=${descriptor##*/}
      ((number < 3)) || eval "exec $number>&-"
    done 2>/dev/null
    exec tmux "$@"
    """

  init(in folder: String) throws {
    _ = try command(["new-session", "-d", "-x", "80", "-y", "24", "-c", folder, "env", "PS1=$ ", "bash", "--norc"])
  }

  deinit { _ = try? command(["kill-server"]) }

  @discardableResult
  private func command(_ words: [String]) throws -> [String] {
    let tmux = ["-L", name, "-f", "/dev/null", "-u"]
    let job = try Job.run(
      command: ["bash", "-c", Self.script, "tmux"] + tmux + words, environment: ["LC_ALL": "C.UTF-8"])
    try #require(job.status == 0, "\(words): \(job.errors)")
    return job.output
  }

  func type(_ line: String) throws {
    try command(["send-keys", "-l", line])
    try command(["send-keys", "Enter"])
  }

  func press(_ key: String) throws { try command(["send-keys", key]) }

  func resize(_ columns: Int, _ rows: Int) throws {
    try command(["resize-window", "-x", "\(columns)", "-y", "\(rows)"])
  }

  /// The lines that are shown, without empty ones.
  ///
  /// - Parameter joinsWrapped: whether lines that are wrapped count as one.
  func screen(joinsWrapped: Bool = false) throws -> [String] {
    try command(["capture-pane", "-p"] + (joinsWrapped ? ["-J"] : []))
      .map { String($0.reversed().drop { $0 == " " }.reversed()) }.filter { !$0.isEmpty }
  }

  /// Waits until the screen is as expected.
  func wait(until isExpected: ([String]) -> Bool) throws {
    let deadline = Date(timeIntervalSinceNow: 60)
    while true {
      let screen = try screen()
      if isExpected(screen) { return }
      try #require(Date() < deadline, "\(screen)")
      usleep(100_000)
    }
  }
}
