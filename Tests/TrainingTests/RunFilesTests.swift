import Foundation
import GatedSCNN
import Glibc
import Testing
import Training

@Suite("Files of a run that cannot be written for a while")
struct RunFilesTests {
  private let folder: String
  private var path: String { folder + "/steps.csv" }

  init() throws {
    folder = try RunFolder.new("files")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func started(at position: Position) -> TrainingEvent {
    .started(
      RunDescription(
        options: TrainingOptions(), layout: [], parameters: 0, images: [:],
        length: TrainingLength(stepsPerEpoch: 5, epochs: 60), position: position,
        origin: nil))
  }

  private func stepped(_ step: Int) -> TrainingEvent {
    .stepped(
      StepReport(
        position: Position(epoch: 0, step: step), loss: JointLoss(semantic: 1, edge: 0, task: 0), learningRate: 0.5,
        gradientNorm: 3, imagesPerSecond: 2))
  }

  private func lines() throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  private let header = "epoch,step,loss,semantic,edge,task,learning_rate,gradient_norm,images_per_second"

  @Test("Steps on a full disk are kept in memory and written later, and one line says so")
  func fullDisk() throws {
    var warnings: [String] = []
    let file = StepsFile(path: path) { warnings.append($0) }
    try file.observe(started(at: Position(epoch: 0, step: 0)))
    try file.observe(stepped(1))
    // Every write to this device fails as on a full disk.
    try FileManager.default.moveItem(atPath: path, toPath: path + ".aside")
    symlink("/dev/full", path)
    try file.observe(stepped(2))
    try file.observe(stepped(3))
    #expect(warnings.count == 1)
    #expect(warnings.first?.hasPrefix("\(path): cannot write: No space left on device; make room on that disk") == true)
    unlink(path)
    try FileManager.default.moveItem(atPath: path + ".aside", toPath: path)
    try file.observe(stepped(4))
    try file.observe(.finished(bestScore: nil, early: false))
    #expect(try lines().dropFirst().map { $0.prefix(4) } == ["1,1,", "1,2,", "1,3,", "1,4,"])
    #expect(warnings.count == 2 && warnings.last == "\(path): is written again", "\(warnings)")
  }

  @Test("Steps that can never be written are counted at the end")
  func lost() throws {
    var warnings: [String] = []
    let file = StepsFile(path: path) { warnings.append($0) }
    try file.observe(started(at: Position(epoch: 0, step: 0)))
    unlink(path)
    symlink("/dev/full", path)
    for step in 1...3 { try file.observe(stepped(step)) }
    try file.observe(.stopped(status: 75, checkpoint: ""))
    #expect(warnings.count == 2 && warnings.last == "\(path): its last 3 lines are not written", "\(warnings)")
  }

  @Test("A file that was removed is begun again")
  func removed() throws {
    let file = StepsFile(path: path) { _ in Issue.record("nothing failed") }
    try file.observe(started(at: Position(epoch: 0, step: 0)))
    unlink(path)
    try file.observe(stepped(1))
    #expect(try lines().first == header)
    #expect(try lines().count == 2)
  }

  @Test("Damaged lines are left out and counted; the others stay")
  func damaged() throws {
    let rows = (1...4).map { "1,\($0),1.5,1,0.02,0.1,0.01,0.7,3.5" }
    var text = Data(([header] + rows).joined(separator: "\n").utf8)
    // Not UTF-8: in the second line of a step.
    let place = try #require(text.range(of: Data("1,2,1.5".utf8))).lowerBound
    text[place + 2] = 0xFF
    text.append(contentsOf: Array("\n1,5,1.5,1,0.".utf8))
    try text.write(to: URL(fileURLWithPath: path))
    var warnings: [String] = []
    let file = StepsFile(path: path) { warnings.append($0) }
    try file.observe(started(at: Position(epoch: 0, step: 3)))
    #expect(try lines() == [header, rows[0], rows[2]])
    #expect(warnings == ["\(path): 2 of its 5 lines are damaged and left out"])
  }

  @Test("Statistics that cannot be written are written with the next epoch, or when the run goes on")
  func statistics() throws {
    let path = folder + "/statistics.csv"
    func report(_ epoch: Int) -> EpochReport {
      EpochReport(
        epoch: epoch,
        train: EpochReport.Scores(loss: 1, pixelAccuracy: 0, meanAccuracy: 0, meanClassIoU: 0, meanCategoryIoU: 0),
        validation: nil, learningRate: 0.01, seconds: 1, imagesPerSecond: 1)
    }
    func epochs() throws -> [String] {
      try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst().map { String($0.prefix(2)) }
    }
    var warnings: [String] = []
    let file = StatisticsFile(path: path, rows: []) { warnings.append($0) }
    // A directory in its place cannot be replaced by a file.
    mkdir(path, 0o777)
    try file.observe(.epochFinished(report(1), isBest: false, isBestAverage: false))
    #expect(warnings.count == 1 && warnings[0].hasPrefix(path), "\(warnings)")
    rmdir(path)
    try file.observe(.epochFinished(report(2), isBest: false, isBestAverage: false))
    #expect(try epochs() == ["1,", "2,"])

    try Data([0xFF]).write(to: URL(fileURLWithPath: path))
    let resumed = StatisticsFile(path: path, rows: [report(1)]) { warnings.append($0) }
    try resumed.observe(started(at: Position(epoch: 1, step: 0)))
    #expect(try epochs() == ["1,"])
    #expect(warnings.count == 1)
  }
}
