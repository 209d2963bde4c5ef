import Foundation
import System
import Testing
import Training
import Watching

@Suite("What watch shows") struct WatchFrameTests {
  /// A run of two ranks in the validation of its third epoch.
  private static var run: WatchedRun {
    var run = WatchedRun(prefix: "results/resnet50_64_64")
    run.steps = (0..<20).map { index in
      WatchedRun.Step(
        epoch: index / 8 + 1, step: index % 8 + 1, loss: 0.5 + 2 / Double(index + 1), learningRate: "0.01",
        imagesPerSecond: "0.28")
    }
    run.epochs = [(1, 12.5), (2, 40.25)].map { epoch, mIoU in
      WatchedRun.Epoch(fields: [
        "epoch": "\(epoch)", "val_class_mIOU": "\(mIoU)", "val_loss": "0.75", "train_class_mIOU": "41.5",
        "train_loss": "0.625", "val_PA": "80.125",
      ])
    }
    // 2026-11-27 12:00 UTC, and two hours later.
    var status = RunStatus(host: "node1", process: 4711, begin: 1_795_780_800, time: 1_795_788_000)
    (status.epoch, status.epochs, status.step, status.stepsPerEpoch) = (3, 60, 4, 8)
    (status.loss, status.imagesPerSecond, status.secondsLeft) = (0.6, 0.28, 7300)
    status.phase = RunStatus.Phase(title: "validating", done: 120, total: 500, unit: "images", secondsLeft: 3300)
    status.ranks = [rank(0, "node1", waits: 0.30), rank(1, "node2", waits: 0.02)]
    run.status = status
    run.statusAge = 1
    return run
  }

  private static func rank(_ rank: Int, _ host: String, waits: Double?, heard: Double = 0.5) -> RunStatus.Rank {
    RunStatus.Rank(
      rank: rank, host: host, phase: "validation", step: 20, image: 121 + rank, heardSecondsAgo: heard,
      waitingShare: waits)
  }

  private func lines(
    _ run: WatchedRun, columns: Int = 80, rows: Int? = 24, isUTF8: Bool = true, hasColor: Bool = false
  ) -> [String] {
    WatchFrame(
      run, on: WatchFrame.Screen(columns: columns, rows: rows, isUTF8: isUTF8, hasColor: hasColor), timeZone: .gmt
    ).lines
  }

  @Test("A terminal of 80 by 24")
  func usual() {
    let frame = """
      results/resnet50_64_64: running
      since 2026-11-27 12:00 (2 h 0 min), 2 ranks on 2 hosts, process 4711
      epoch 3/60, step 4/8, loss 0.6000, 0.28 images/s, 2 h 1 min left
      validating ███████························· 120 of 500 images, 55 min left

      loss of 20 steps                          class mIoU of 2 validations, %
      2.500 ⢱                                   40.2                             ⣀⠤⠔⠒⠉
            ⠈⡆                                                             ⣀⡠⠤⠒⠊⠉
             ⢸                                                       ⢀⣀⠤⠔⠊⠉
             ⠈⠢⡀                                                ⣀⡠⠔⠒⠉⠁
               ⠈⠢⢄⣀                                       ⣀⡠⠤⠒⠊⠉
      0.600        ⠉⠉⠑⠒⠒⠒⠢⠤⠤⠤⠤⠤⠤⠤⠤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀    12.5 ⣀⠤⠔⠒⠉

      epoch  val mIoU  val loss  train mIoU  train loss  val PA
      1         12.50    0.7500       41.50      0.6250   80.12
      2         40.25    0.7500       41.50      0.6250   80.12  best

      epoch  step    loss  images/s  learning rate
      3         3  0.6053      0.28           0.01
      3         4  0.6000      0.28           0.01

      rank  waits  step                  doing   host
      1       2 %    20  validation, image 122  node2
      0      30 %    20  validation, image 121  node1
      """
    #expect(lines(Self.run).joined(separator: "\n") == frame)
  }

  @Test("A narrow terminal without UTF-8: the curves one below the other, fewer columns of the tables")
  func narrow() {
    let frame = """
      resnet50_64_64: running
      since 2026-11-27 12:00 (2 h 0 min)
      2 ranks on 2 hosts, process 4711
      epoch 3/60, step 4/8, loss 0.6000
      0.28 images/s, 2 h 1 min left
      validating 120/500, 55 min left

      loss of 20 steps
      2.500 '.
             '.
      0.600    '''''''......................
      class mIoU of 2 validations, %
      40.2                        ......''''
                     .......''''''
      12.5 ....''''''

      epoch  val mIoU  val loss
      1         12.50    0.7500
      2         40.25    0.7500  best

      epoch  step    loss  images/s
      2         8  0.6250      0.28
      3         1  0.6176      0.28
      3         2  0.6111      0.28
      3         3  0.6053      0.28
      3         4  0.6000      0.28

      rank  waits  step
      1       2 %    20
      0      30 %    20
      """
    #expect(lines(Self.run, columns: 38, rows: 30, isUTF8: false).joined(separator: "\n") == frame)
  }

  @Test("No line is wider than the terminal and no frame is higher, at any size and in any state")
  func sizes() {
    var states = [WatchedRun(prefix: "results/a"), Self.run, Self.run, Self.run, Self.run]
    states[2].isProcessThere = false
    states[3].status = nil
    states[4].status?.ranks = (0..<300).map { Self.rank($0, "a-host-with-a-long-name-\($0)", waits: nil, heard: 7) }
    states[4].prefix = "結果/" + String(repeating: "x", count: 300)
    states[4].others = ["a", "b", "c", "d", "e"]
    for run in states {
      for columns in [1, 2, 10, 20, 33, 40, 72, 80, 200] {
        for rows in [1, 2, 5, 10, 24, 60] {
          let lines = lines(run, columns: columns, rows: rows, isUTF8: columns % 2 == 0)
          #expect(lines.count <= rows && lines.allSatisfy { $0.terminalColumns <= columns }, "\(columns)×\(rows)")
        }
      }
    }
  }

  @Test("Without UTF-8 every character is ASCII; colors only where they are wanted")
  func plain() {
    #expect(lines(Self.run, isUTF8: false).joined().utf8.allSatisfy { $0 < 128 && $0 >= 32 })
    #expect(lines(Self.run, hasColor: true).first == "\u{1B}[1mresults/resnet50_64_64: running\u{1B}[0m")
  }

  @Test("A run that is no longer there is said to be so, and how to go on")
  func states() {
    func state(_ change: (inout WatchedRun) -> Void) -> String {
      var run = Self.run
      change(&run)
      return String((lines(run, columns: 400).first ?? "").dropFirst("results/resnet50_64_64: ".count))
    }
    #expect(state { $0.statusAge = 14 } == "running")
    #expect(
      state { ($0.statusAge, $0.isProcessThere) = (14, false) }
        == "no news for 14 s: process 4711 has been killed; --resume auto goes on")
    #expect(
      state { ($0.statusAge, $0.isProcessThere) = (75, true) }
        == "no news for 1 min 15 s, though process 4711 is there: its disk or the process stands still")
    #expect(
      state { $0.statusAge = 7300 }
        == "no news for 2 h 1 min: process 4711 on node1 has been killed, or its disk stands still")
    #expect(state { $0.status?.state = .stopped } == "stopped 2026-11-27 14:00; --resume auto goes on")
    #expect(state { $0.status?.state = .finished } == "finished 2026-11-27 14:00")
    #expect(state { $0.status?.state = .failed } == "ended by an error 2026-11-27 14:00; see its log")
    #expect(state { $0.status = nil } == "no status file: written by an earlier version, or not started")
    #expect(
      state {
        $0.status = nil
        $0.holder = WatchedRun.Holder(host: "node1", process: 12)
      } == "is in use by process 12 on node1")
  }

  @Test("A run that was started again says how often, and since when it is going on")
  func starts() {
    var run = Self.run
    run.starts = WatchedRun.Starts(count: 1, first: 1_795_168_800)
    #expect(!lines(run).joined().contains("begun"))
    run.starts?.count = 3
    #expect(lines(run, columns: 200)[1].hasSuffix(", process 4711, start 3 of a run begun 2026-11-20 10:00"))
  }

  @Test("An epoch whose loss is not a number is not the best one")
  func notFinite() {
    var run = Self.run
    run.epochs[1] = WatchedRun.Epoch(fields: ["epoch": "2", "val_class_mIOU": "40.25", "val_loss": "-nan"])
    let lines = lines(run)
    #expect(lines.contains { $0.contains(" 40.25 ") && $0.contains(" nan ") && !$0.hasSuffix("best") }, "\(lines)")
    #expect(lines.contains { $0.contains(" 12.50 ") && $0.hasSuffix("  best") }, "\(lines)")
  }

  @Test("Without a status file the tables are shown, and what is going on is not")
  func earlierVersion() {
    var run = Self.run
    run.status = nil
    let lines = lines(run)
    #expect(lines.contains("epoch 3, step 4, loss 0.6000") && lines.contains { $0.hasSuffix("  best") })
    #expect(!lines.contains { $0.contains("validating") || $0.contains("rank") })
  }

  @Test("Ranks that wait much less than the others hold them up; small differences and unknown shares say nothing")
  func laggards() {
    func sentence(_ shares: [Double?]) -> String? {
      var run = Self.run
      run.status?.ranks = shares.enumerated().map { Self.rank($0, "node", waits: $1) }
      run.status?.phase = RunStatus.Phase(title: "epoch 3/60", done: 4, total: 8, unit: "", secondsLeft: nil)
      return lines(run, columns: 200).first { $0.contains("hold") }
    }
    #expect(
      sentence([0.3, 0.02, 0.31, 0.32]) == "rank 1 holds up the others: it waits for 2 % of the time, they for 31 %")
    #expect(
      sentence([0.3, 0.02, 0.31, 0.03, 0.3, 0.3])
        == "ranks 1, 3 hold up the others: they wait for 2 % of the time, the others for 30 %")
    #expect(
      sentence([0.3, 0.02]) == "rank 1 holds up the other: it waits for 2 % of the time, the other for 30 %")
    #expect(sentence([0.05, 0.01, 0.06]) == nil)
    #expect(sentence([0.3, 0.25, 0.31]) == nil)
    #expect(sentence([0.3, nil, 0.31]) == nil)
    #expect(sentence([nil]) == nil)
    var writing = Self.run
    writing.status?.phase = RunStatus.Phase(
      title: "writing the best model", done: 0, total: nil, unit: "", secondsLeft: nil)
    #expect(!lines(writing).contains { $0.contains("hold") })
    // In a validation the images differ.
    #expect(!lines(Self.run).contains { $0.contains("hold") })
  }

  @Test("A rank that does not report is named")
  func silent() {
    var run = Self.run
    run.status?.ranks = [Self.rank(0, "node1", waits: nil), Self.rank(1, "node2", waits: nil, heard: 65)]
    #expect(lines(run).contains("rank 1 on node2 has not reported for 1 min 5 s"))
  }
}
