import Foundation
import System
import Testing
import Training
import Watching

/// A results folder that a test writes to as a run does.
final class ResultsFolder {
  let path = NSTemporaryDirectory() + "watching-\(UUID().uuidString)"
  var prefix: String { path + "/resnet50_32_32" }
  private static let header =
    "epoch,step,loss,semantic,edge,task,learning_rate,gradient_norm,images_per_second,loading_seconds\n"

  init() throws { try FileSystem().createDirectory(prefix + "/checkpoints") }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  static func step(_ epoch: Int, _ step: Int, loss: Double) -> String {
    "\(epoch),\(step),\(loss),1,2,3,0.01,0.5,0.28,0.001\n"
  }

  func replace(_ suffix: String, _ text: String) throws {
    try FileSystem().replaceFile(prefix + suffix, with: text.utf8, sync: false)
  }

  func startSteps(_ lines: [String]) throws { try replace("_steps.csv", Self.header + lines.joined()) }

  func append(_ suffix: String, _ text: String) throws {
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: prefix + suffix))
    try file.seekToEnd()
    try file.write(contentsOf: Data(text.utf8))
    try file.close()
  }

  func status(_ change: (inout RunStatus) -> Void = { _ in }) throws {
    var status = RunStatus(host: "node1", process: 4711, begin: 1000, time: 2000)
    change(&status)
    try FileSystem().replaceFile(prefix + "/status.json", with: status.json, sync: false)
  }
}

@Suite("Reading a run that goes on") struct RunReaderTests {
  @Test("Nothing there, then a run that begins, steps, and is resumed from an earlier step")
  func life() throws {
    let folder = try ResultsFolder()
    let nothing = RunReader(folder.path + "/nothing", host: "node1")
    #expect(nothing.read() == nil)
    let reader = RunReader(folder.path + "/", host: "node2")
    #expect(reader.read()?.prefix == folder.prefix)
    #expect(reader.read()?.steps == [])

    try folder.startSteps([])
    #expect(reader.read()?.steps == [])
    try folder.append("_steps.csv", ResultsFolder.step(1, 1, loss: 2.5))
    try folder.append("_steps.csv", String(ResultsFolder.step(1, 2, loss: 2.25).dropLast(8)))
    #expect(reader.read()?.steps.map(\.loss) == [2.5])
    try folder.append("_steps.csv", String(ResultsFolder.step(1, 2, loss: 2.25).suffix(8)))
    try folder.append("_steps.csv", ResultsFolder.step(1, 3, loss: 2))
    let third = try #require(reader.read()?.steps)
    #expect(third.map(\.loss) == [2.5, 2.25, 2] && third.map(\.step) == [1, 2, 3])
    #expect(third.last?.imagesPerSecond == "0.28" && third.last?.learningRate == "0.01")

    // A resume writes the file anew, without the steps that are repeated.
    try folder.startSteps([ResultsFolder.step(1, 1, loss: 2.5), ResultsFolder.step(1, 2, loss: 1.5)])
    #expect(reader.read()?.steps.map(\.loss) == [2.5, 1.5])
    // The same in place, as over NFS where the number of the file may stay: shorter, and longer but different.
    let path = folder.prefix + "_steps.csv"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try FileHandle(forWritingTo: URL(fileURLWithPath: path)).truncate(atOffset: 0)
    #expect(reader.read()?.steps == [])
    try folder.append("_steps.csv", text)
    #expect(reader.read()?.steps.map(\.loss) == [2.5, 1.5])
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try file.write(contentsOf: Data(text.replacing("1.5", with: "1.2").utf8 + Data("1,3,1,1,1,1,1,1,1,1\n".utf8)))
    #expect(reader.read()?.steps.map(\.loss) == [2.5, 1.2, 1])
    // Removed, as by a user: what was read stays.
    try FileManager.default.removeItem(atPath: path)
    #expect(reader.read()?.steps.count == 3)
  }

  @Test("Epochs are found by the names of their columns; damaged lines are left out")
  func epochs() throws {
    let folder = try ResultsFolder()
    try folder.replace(
      "_statistics.csv", "epoch,train_loss,val_loss,val_class_mIOU\n1,2.5,2.25,40.5\n2,2.0,,\n3,1.5\n")
    let reader = RunReader(folder.prefix, host: "node1")
    let epochs = try #require(reader.read()?.epochs)
    #expect(epochs.map { $0["train_loss"] } == [2.5, 2])
    #expect(epochs.map { $0["val_class_mIOU"] } == [40.5, nil])
  }

  @Test("The starts of a run are those of its description")
  func starts() throws {
    let folder = try ResultsFolder()
    let reader = RunReader(folder.path, host: "node1")
    #expect(reader.read()?.starts == nil)
    let starts = [#"{"time":"2026-11-20T10:00:00Z","ranks":2}"#, #"{"time":"2026-11-27T12:00:00Z","ranks":4}"#]
    try folder.replace("_run.json", #"{"epochs":60,"starts":[\#(starts.joined(separator: ","))]}"#)
    #expect(reader.read()?.starts == WatchedRun.Starts(count: 2, first: 1_795_168_800))
    try folder.replace("_run.json", "{")
    #expect(reader.read()?.starts?.count == 2)
  }

  @Test("The run that was written to last is shown; the folder of a run and P name one")
  func several() throws {
    let folder = try ResultsFolder()
    try folder.startSteps([])
    let other = folder.path + "/resnet101_64_64"
    try FileSystem().createDirectory(other + "/checkpoints")
    try FileSystem().replaceFile(other + "_steps.csv", with: "epoch,step,loss\n1,1,9\n".utf8, sync: false)
    for (path, time) in [(folder.prefix, 1000.0), (other, 2000)] {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: time)], ofItemAtPath: path + "_steps.csv")
    }
    let reader = RunReader(folder.path, host: "node1")
    let first = try #require(reader.read())
    #expect(first.prefix == other && first.others == [folder.prefix] && first.steps.map(\.loss) == [9])
    try folder.startSteps([ResultsFolder.step(1, 1, loss: 3)])
    let second = try #require(reader.read())
    #expect(second.prefix == folder.prefix && second.steps.map(\.loss) == [3])
    let named = RunReader(other, host: "node1")
    #expect(named.read()?.prefix == other)
  }

  @Test("A status is as old as its time, and once it has changed as the time since then, whatever the other clock says")
  func age() throws {
    let folder = try ResultsFolder()
    try folder.status()
    let reader = RunReader(folder.path, host: "node2")
    let first = try #require(reader.read(now: 50, time: 2400))
    #expect(first.statusAge == 400 && first.isProcessThere == nil && first.status?.process == 4711)
    try folder.status { $0.time = 2001 }
    #expect(reader.read(now: 51, time: 2401)?.statusAge == 0)
    #expect(reader.read(now: 58, time: 2408)?.statusAge == 7)
    // Neither a file that is not whole nor none is news.
    try folder.replace("/status.json", "{\"state\":")
    let damaged = try #require(reader.read(now: 59, time: 2409))
    #expect(damaged.status?.time == 2001 && damaged.statusAge == 8)
  }

  @Test("Whether the process is there is known on its own machine")
  func process() throws {
    let folder = try ResultsFolder()
    try folder.status { $0.process = getpid() }
    let here = RunReader(folder.path, host: "node1")
    #expect(here.read()?.isProcessThere == true)
    // The number of a process that has ended, as that of a job that was killed.
    let ended = Process()
    ended.executableURL = URL(fileURLWithPath: "/bin/true")
    try ended.run()
    ended.waitUntilExit()
    try folder.status { $0.process = ended.processIdentifier }
    #expect(here.read()?.isProcessThere == false)
    let there = RunReader(folder.path, host: "node2")
    #expect(there.read()?.isProcessThere == nil)
  }
}
