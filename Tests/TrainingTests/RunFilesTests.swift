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

  private let old = "epoch,step,loss,semantic,edge,task,learning_rate,gradient_norm,images_per_second"
  private var header: String {
    old + ",loading_seconds,forward_seconds,backward_seconds,communication_seconds,update_seconds"
  }

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
    let rows = (1...4).map { "1,\($0),1.5,1,0.02,0.1,0.01,0.7,3.5,0,1,2,0,0.5" }
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

  @Test(
    "Lines of an earlier version, without the times of the parts, stay over several resumes; a line with some is torn")
  func earlierVersion() throws {
    let rows = (1...3).map { "1,\($0),1.5,1,0.02,0.1,0.01,0.7,3.5" }
    try (([old] + rows).joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    for _ in 1...2 {
      let file = StepsFile(path: path) { Issue.record("\($0)") }
      try file.observe(started(at: Position(epoch: 0, step: 3)))
      #expect(try lines() == [header] + rows.map { $0 + ",,,,," })
    }
    let text = try String(contentsOfFile: path, encoding: .utf8) + "1,4,1,1,1,1,1,1,1,0,1,2,,\n"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    var warnings: [String] = []
    let file = StepsFile(path: path) { warnings.append($0) }
    try file.observe(started(at: Position(epoch: 0, step: 4)))
    #expect(try lines().count == 4)
    #expect(warnings == ["\(path): 1 of its 4 lines are damaged and left out"])
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
    let file = EpochsFile(path: path, rows: [], warn: { warnings.append($0) }, text: StatisticsTable.text)
    // A directory in its place cannot be replaced by a file.
    mkdir(path, 0o777)
    try file.observe(.epochFinished(report(1), isBest: false, isBestAverage: false))
    #expect(warnings.count == 1 && warnings[0].hasPrefix(path), "\(warnings)")
    rmdir(path)
    try file.observe(.epochFinished(report(2), isBest: false, isBestAverage: false))
    #expect(try epochs() == ["1,", "2,"])

    try Data([0xFF]).write(to: URL(fileURLWithPath: path))
    let resumed = EpochsFile(path: path, rows: [report(1)], warn: { warnings.append($0) }, text: StatisticsTable.text)
    try resumed.observe(started(at: Position(epoch: 1, step: 0)))
    #expect(try epochs() == ["1,"])
    #expect(warnings.count == 1)
  }

  @Test("Statistics have columns for the boundary F-score where it was measured, and the IoU of each class is a table")
  func epochTables() {
    func scores(_ classes: [Double?]?, _ boundary: [EpochReport.BoundaryF]?) -> EpochReport.Scores {
      EpochReport.Scores(
        loss: 1, pixelAccuracy: 0.5, meanAccuracy: 0.25, meanClassIoU: 0.125, meanCategoryIoU: nil, classIoU: classes,
        boundaryF: boundary)
    }
    func boundary(_ mean: Double?) -> [EpochReport.BoundaryF] {
      [EpochReport.BoundaryF(threshold: 0.005, radius: 3...12, mean: mean)]
    }
    func report(_ epoch: Int, _ validation: EpochReport.Scores?, _ average: EpochReport.Scores?) -> EpochReport {
      EpochReport(
        epoch: epoch, train: scores([0.1, nil], nil), validation: validation, average: average, learningRate: 0.01,
        seconds: 1, imagesPerSecond: 2)
    }
    // The first epoch is of an earlier version, the second one is not validated.
    let rows = [
      report(1, scores(nil, nil), nil), report(2, nil, nil),
      report(3, scores([0.5, 0], boundary(0.75)), scores([1, 0.25], boundary(nil))),
    ]
    let lines = StatisticsTable.text(rows).split(separator: "\n")
    #expect(
      lines[0].hasSuffix(
        ",images_per_second,val_boundary_F_0.005,ema_val_loss,ema_val_PA,ema_val_mPA,ema_val_class_mIOU,"
          + "ema_val_category_mIOU,ema_val_boundary_F_0.005"))
    #expect(lines[1] == "1,1,1,50.0000,50.0000,25.0000,25.0000,12.5000,12.5000,,,0.01,1.00,2,,,,,,,")
    #expect(lines[2] == "2,1,,50.0000,,25.0000,,12.5000,,,,0.01,1.00,2,,,,,,,")
    #expect(
      lines[3]
        == "3,1,1,50.0000,50.0000,25.0000,25.0000,12.5000,12.5000,,,0.01,1.00,2,75.0000,1,50.0000,25.0000,12.5000,,")
    #expect(
      ClassesTable.text(rows, classes: ["sky", "a,\"b\""]) == """
        epoch,split,sky,"a,""b""\"
        1,train,10.0000,
        2,train,10.0000,
        3,train,10.0000,
        3,val,50.0000,0.0000
        3,ema,100.0000,25.0000

        """)
  }
}
