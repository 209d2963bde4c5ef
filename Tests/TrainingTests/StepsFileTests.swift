import Foundation
import GatedSCNN
import Testing
import Training

@Suite("Steps file")
struct StepsFileTests {
  @Test("A resumed run keeps complete lines up to the checkpoint, and removes later and truncated ones")
  func keptLines() {
    let columns = ["epoch", "step", "loss", "semantic", "edge", "task", "learning_rate", "images_per_second"]
    let position = Position(epoch: 1, step: 10)
    #expect(StepsFile.isDone("1,20,1.5,1,0.02,0.1,0.01,3.5", of: columns, at: position))
    #expect(StepsFile.isDone("2,10,1.5,1,0.02,0.1,0.01,3.5", of: columns, at: position))
    #expect(!StepsFile.isDone("2,11,1.5,1,0.02,0.1,0.01,3.5", of: columns, at: position))
    #expect(!StepsFile.isDone("2,1", of: columns, at: position))
    #expect(!StepsFile.isDone("2,1,1.5,1,0.02,0.1,0.01,", of: columns, at: position))
  }

  private func events(_ position: Position, _ loss: JointLoss) -> [TrainingEvent] {
    [
      .started(
        RunDescription(
          options: TrainingOptions(), layout: [], parameters: 0, images: [:],
          length: TrainingLength(stepsPerEpoch: 5, epochs: 60),
          position: position, origin: nil)),
      .stepped(
        StepReport(
          position: Position(epoch: position.epoch, step: position.step + 1), loss: loss, learningRate: 0.5,
          gradientNorm: 3,
          imagesPerSecond: 2,
          times: StepTimes(loading: 0.5, forward: 1, backward: 2, communication: 0.25, update: 0.125))),
      .finished(bestScore: nil, early: false),
    ]
  }

  @Test(
    "The dual-task loss has a column where it is part of the loss; lines without it stay, and the other way round")
  func dualColumn() throws {
    let folder = try RunFolder.new("columns")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = folder + "/steps.csv"
    func write(_ kind: JointLoss.Configuration.Kind, after step: Int, _ loss: JointLoss) throws -> [Substring] {
      let file = StepsFile(path: path, loss: kind) { Issue.record("\($0)") }
      for event in events(Position(epoch: 0, step: step), loss) { try file.observe(event) }
      return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    }
    let (losses, others) = (
      "epoch,step,loss,semantic,edge,task",
      "learning_rate,gradient_norm,images_per_second,"
        + "loading_seconds,forward_seconds,backward_seconds,communication_seconds,update_seconds"
    )
    let times = "0.5000,1.0000,2.0000,0.2500,0.1250"
    let standard = JointLoss(semantic: 1, edge: 0, task: 0.25)
    let full = JointLoss(semantic: 1, edge: 0, task: 0.25, dual: 0.125, dualWeight: 2)
    #expect(full.total == 1.5)
    #expect(try write(.standard, after: 0, standard) == ["\(losses),\(others)", "1,1,1.25,1,0,0.25,0.5,3,2,\(times)"])
    #expect(
      try write(.full, after: 1, full) == [
        "\(losses),dual,\(others)", "1,1,1.25,1,0,0.25,,0.5,3,2,\(times)", "1,2,1.5,1,0,0.25,0.125,0.5,3,2,\(times)",
      ])
    #expect(
      try write(.full, after: 2, full).dropFirst() == [
        "1,1,1.25,1,0,0.25,,0.5,3,2,\(times)", "1,2,1.5,1,0,0.25,0.125,0.5,3,2,\(times)",
        "1,3,1.5,1,0,0.25,0.125,0.5,3,2,\(times)",
      ])
    #expect(
      try write(.standard, after: 2, standard) == [
        "\(losses),\(others)", "1,1,1.25,1,0,0.25,0.5,3,2,\(times)", "1,2,1.5,1,0,0.25,0.5,3,2,\(times)",
        "1,3,1.25,1,0,0.25,0.5,3,2,\(times)",
      ])
  }
}
