import Foundation
import Reports
import System
import TensorBoard
import Watching

extension Target {
  /// An event file of TensorBoard in a run that is resumed.
  static func events(_ folder: Folder) throws -> Target {
    let events = [
      Event(wallTime: 1, step: 0, .fileVersion), Event(wallTime: 1, step: 3, .sessionStart),
      Event(wallTime: 2, step: 3, .summary([.scalar("loss/total", 0.5)])),
      Event(wallTime: 3, step: 4, .summary([.scalar("loss/total", 0.25)])),
    ]
    return Target(
      name: "events", share: 3, seeds: [events.flatMap { $0.record() }], words: ["loss/total", "brain.Event:2"],
      repair: { input in
        var (position, output) = (0, [UInt8]())
        while input.count - position > 12 {
          let length = min(Int(input[position]), input.count - position - 12)
          let begin = position + 12
          output += EventRecords.record(Array(input[begin..<begin + length]))
          position = begin + length + 4
        }
        return output
      }
    ) { input in
      let name = "events.out.tfevents.0000000001.host.1.0"
      try folder.write(input, as: name)
      for _ in 0..<2 {
        try EventFile.trim(folder.path) { step, tag in step < 4 && tag != "none" }
      }
      guard let kept = try? MappedFile(folder.place(name)) else { return }
      defer { withExtendedLifetime(kept) {} }
      var records = EventRecords(kept.bytes)
      while records.next() != nil {}
      precondition(records.position == kept.bytes.count, "a trimmed file has whole records only")
    }
  }

  /// The files of a run, which `report` and `watch` read: the input is each of them.
  static func run(_ folder: Folder) throws -> Target {
    let validation = #"""
      {"images": 2, "loss": 0.5, "pixelAccuracy": 0.9, "meanAccuracy": null, "classes": {"road": {"iou": 0.5}},
      "confusion": [[3, 1], [0, 2]], "worstImages": [{"image": "a", "meanClassIoU": 0.25}]}
      """#
    let description = #"""
      {"run": "a", "dataPath": "/nowhere", "prepared": null, "dataSet": "Streets", "classes": [{"name": "road",
      "color": [128, 64, 128]}], "images": {"train": 8}, "parameters": 1, "imagesPerStep": 4, "stepsPerEpoch": 4,
      "steps": 20, "epochs": 5, "starts": [{"time": "2026-11-27T10:00:00Z", "version": "0.1.0", "command": ["gscnn"],
      "ranks": 2, "layout": ["2 ranks"], "instructionSet": "avx2", "step": 0}]}
      """#
    let seeds = [
      "epoch,train_loss,val_loss,val_class_mIOU,seconds\n1,2.5,2.25,10.5,61\n2,1.5,nan,,60\n",
      "epoch,step,loss,learning_rate,images_per_second,loading_seconds,forward_seconds\n1,1,4,0.01,2,0.5,1\n1,2,3,0.01,2,0.5,1\n",
      "epoch,split,road,sky\n1,val,48.5,\n2,val,50.5,3\n", validation, description,
      "batch-size: 4\nsave-best: loss\nepochs: 5\n",
    ]
    let prefix = folder.place("run")
    let scripts = RunReport(RunRecord(prefix), dataPath: nil).text.ranges(of: "<script").count
    return Target(
      name: "run files", share: 0.5, seeds: seeds.map { Array($0.utf8) },
      words: [
        "1e308", "-1", "nan", "inf", "9223372036854775807", "\"", ",", "\n", "null", "[]", "{}", "<script>", "epoch",
      ]
    ) { input in
      let endings = [
        "_statistics.csv", "_steps.csv", "_classes.csv", "_run.json", "_validation.json", "_options.yaml",
        "/status.json",
      ]
      try FileManager.default.createDirectory(atPath: folder.place("run"), withIntermediateDirectories: true)
      for ending in endings { try folder.write(input, as: "run\(ending)") }
      let page = RunReport(RunRecord(prefix), dataPath: nil).text
      precondition(page.ranges(of: "<script").count == scripts, "text of a file is escaped")
      if let run = RunReader(prefix, host: "host").read() {
        for columns in [20, 80] {
          _ = WatchFrame(run, on: .init(columns: columns, rows: 24, isUTF8: true, hasColor: false)).lines
        }
      }
    }
  }
}
