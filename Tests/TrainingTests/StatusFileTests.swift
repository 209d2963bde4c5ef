import Distributed
import Foundation
import GatedSCNN
import Inference
import Synchronization
import System
import Testing
import Training

@Suite("Status of a run") struct StatusFileTests {
  /// Time, ranks and warnings of a run that a test invents.
  private final class World: Sendable {
    let time = Mutex(1000.0)
    let warnings = Mutex<[String]>([])
    let progress: ProgressLine
    let folder = NSTemporaryDirectory() + "status-\(UUID().uuidString)"

    init() throws {
      let clock = Mutex(0.0)
      progress = ProgressLine(
        redraws: false, columns: { 80 }, isUTF8: true, write: { _ in }, now: { clock.withLock { $0 } })
      try FileSystem().createDirectory(folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var path: String { folder + "/status.json" }

    func file() -> StatusFile {
      var activity = Activity.Snapshot()
      (activity.phase, activity.step, activity.image) = (.validation, 7, 3)
      let ranks = [
        RankReport(rank: 0, host: "node1", activity: activity, heardSecondsAgo: 0, waitingShare: 0.25),
        RankReport(rank: 1, host: "node2", activity: activity, heardSecondsAgo: 0.5, waitingShare: nil),
      ]
      return StatusFile(
        path: path, host: "node1", progress: progress, ranks: { ranks }, time: { self.time.withLock { $0 } },
        now: { 0 },
        warn: { text in self.warnings.withLock { $0.append(text) } })
    }

    func read() throws -> RunStatus { try RunStatus(json: Data(contentsOf: URL(fileURLWithPath: path))) }
  }

  private static let started = TrainingEvent.started(
    RunDescription(
      options: TrainingOptions(), layout: [], parameters: 1, images: [:],
      length: TrainingLength(stepsPerEpoch: 10, epochs: 3), position: Position(epoch: 1, step: 4), origin: nil))

  @Test("It says what is being done, how far, where the run is, and what each rank does")
  func content() throws {
    let world = try World()
    let file = world.file()
    world.progress.begin("preparing images", of: 1000, unit: "%")
    world.progress.update { $0.done = 340 }
    file.write()
    let before = try world.read()
    #expect(before.state == .running && before.epoch == nil && before.begin == 1000 && before.process == getpid())
    #expect(
      before.phase == RunStatus.Phase(title: "preparing images", done: 340, total: 1000, unit: "%", secondsLeft: nil))
    world.progress.end()

    world.time.withLock { $0 = 1010 }
    file.observe(Self.started)
    file.observe(
      .stepped(
        StepReport(
          position: Position(epoch: 1, step: 5), loss: JointLoss(semantic: 1, edge: 0, task: 0.5), learningRate: 0.01,
          gradientNorm: 1, imagesPerSecond: 0.28)))
    world.progress.begin("epoch 2/3", of: 10)
    world.progress.update { ($0.done, $0.secondsLeft) = (5, 300) }
    world.progress.begin("validating", of: 500, from: 120, unit: "images")
    file.write()
    let status = try world.read()
    #expect(status.time == 1010 && status.begin == 1000)
    #expect([status.epoch, status.epochs, status.step, status.stepsPerEpoch] == [2, 3, 5, 10])
    #expect(status.imagesPerSecond == 0.28 && status.secondsLeft == 300 && (status.loss ?? 0) > 0)
    #expect(
      status.phase == RunStatus.Phase(title: "validating", done: 120, total: 500, unit: "images", secondsLeft: nil))
    #expect(
      status.ranks == [
        RunStatus.Rank(
          rank: 0, host: "node1", phase: "validation", step: 7, image: 3, heardSecondsAgo: 0, waitingShare: 0.25),
        RunStatus.Rank(
          rank: 1, host: "node2", phase: "validation", step: 7, image: 3, heardSecondsAgo: 0.5, waitingShare: nil),
      ])
  }

  @Test("The first of its last states stays: finished, or stopped")
  func end() throws {
    let world = try World()
    let file = world.file()
    file.observe(Self.started)
    file.observe(.finished(bestScore: nil, early: false))
    #expect(try world.read().state == .finished)
    file.observe(.stopped(status: 75, checkpoint: ""))
    file.write()
    #expect(try world.read().state == .finished && world.read().phase == nil)
    let other = world.file()
    other.observe(.stopped(status: 75, checkpoint: ""))
    #expect(try world.read().state == .stopped)
  }

  @Test("What cannot be written is told once, and again after it could be written")
  func unwritable() throws {
    let world = try World()
    let file = world.file()
    try FileSystem().createDirectory(world.path + "/in the way")
    for _ in 0..<3 { file.write() }
    #expect(world.warnings.withLock { $0.count } == 1)
    #expect(world.warnings.withLock { $0[0].contains("status.json") && $0[0].contains("training goes on") })
    try FileManager.default.removeItem(atPath: world.path)
    file.write()
    #expect(try world.read().state == .running)
    try FileManager.default.removeItem(atPath: world.path)
    try FileSystem().createDirectory(world.path + "/in the way")
    for _ in 0..<3 { file.write() }
    #expect(world.warnings.withLock { $0.count } == 2)
  }
}
