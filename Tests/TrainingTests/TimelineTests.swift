import Cityscapes
import Foundation
import GatedSCNN
import Jobs
import Layers
import System
import Testing
import Training

extension Trainings {
  @Suite("Timelines")
  struct TimelineTests {
    /// An event of the file; times in µs.
    private struct Event: Decodable {
      struct Arguments: Decodable {
        var bytes: Int?
        var name: String?
      }
      let ph: String
      let pid: Int
      let tid: Int?
      let ts: Double?
      let dur: Double?
      let name: String
      let args: Arguments?

      var begin: Double { ts ?? -1 }
      var end: Double { begin + (dur ?? -1) }
    }
    private struct File: Decodable { let traceEvents: [Event] }

    @Test("A run stopped by a signal writes the timeline of all ranks, and has the same bits as without")
    func stoppedRun() throws {
      let run = try TrainingRun("timeline")
      defer { run.remove() }
      let path = run.folder + "-timeline.json"
      defer { try? FileManager.default.removeItem(atPath: path) }
      let options = ["--timeline", path, "--validate-on", "all", "--checkpoint-every", "2", "--keep", "1"]
      let job = try run.train(ranks: 2, options) { job in
        try job.wait(for: "the second epoch") { run.losses.count > 5 }
        try job.send(SIGUSR1, toRank: 1)
      }
      #expect(job.status == 75, "\(job.errors)")
      #expect(try Array(run.steps) == Array(Trainings.straight.get().steps.prefix(run.losses.count + 1)))

      let file = try JSONDecoder().decode(File.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
      let store = GatedSCNN(.resnet50, seed: 1).store
      for rank in 0..<2 {
        let own = file.traceEvents.filter { $0.pid == rank }
        let names = own.filter { $0.name == "process_name" }.compactMap(\.args?.name)
        #expect(names.count == 1 && names[0].hasPrefix("rank \(rank) on "))
        let rows = own.filter { $0.name == "thread_name" }.compactMap(\.args?.name)
        let tracks = ["compute", "all-reduce", "loading"] + (rank == 0 ? ["checkpoint writer"] : [])
        #expect(tracks.allSatisfy(rows.contains), "\(rows)")
        func events(_ row: String) -> [Event] {
          let row = own.first { $0.name == "thread_name" && $0.args?.name == row }?.tid
          return own.filter { $0.ph == "X" && $0.tid == row }
        }

        let compute = events("compute")
        let steps = run.losses.count
        for name in ["forward", "backward", "losses", "wait for all-reduce", "optimizer", "wait for images"] {
          #expect(compute.filter { $0.name == name }.count >= steps, "\(name)")
        }
        for name in [
          "validation", "checkpoint: compare and copy", "step 6", "seg.6", "shape_stream.gate1",
          "regular_stream.backbone.layer3.2.bn2",
        ] {
          #expect(compute.contains { $0.name == name }, "\(name)")
        }
        #expect(steps * 4 / 2 <= events("loading").count)
        if rank == 0 { #expect(events("checkpoint writer").contains { $0.name == "step-00000002" }) }

        // Every gradient is summed once per step: 4 bytes for each parameter, and padding.
        let buckets = events("all-reduce")
        let bytes = buckets.compactMap(\.args?.bytes).reduce(0, +)
        #expect(bytes % steps == 0 && bytes / steps >= 4 * store.parameterCount)
        #expect(bytes / steps <= 4 * (store.parameterCount + 16 * store.parameters.count))
        let backward = try #require(compute.first { $0.name == "backward" })
        #expect(
          buckets.contains { $0.begin > backward.begin && $0.end < backward.end },
          "all-reduces overlap with the backward pass")

        for row in rows { expectNesting(events(row), "\(row) of rank \(rank)") }
      }
      let (first, second) = (steps(of: 0, in: file), steps(of: 1, in: file))
      #expect(
        zip(first, second).allSatisfy { $0.begin < $1.end && $1.begin < $0.end }, "steps of both ranks overlap in time")
    }

    private func steps(of rank: Int, in file: File) -> [Event] {
      file.traceEvents.filter { $0.pid == rank && $0.ph == "X" && $0.name.hasPrefix("step ") }
    }

    /// Expects that of two events of a row one contains the other or they do not overlap, up to rounding.
    private func expectNesting(_ events: [Event], _ row: String) {
      var open: [Event] = []
      for event in events.sorted(by: { ($0.begin, -$0.end) < ($1.begin, -$1.end) }) {
        while let last = open.last, last.end <= event.begin + 0.01 { open.removeLast() }
        if let last = open.last { #expect(event.end <= last.end + 0.01, "\(event.name) in \(last.name), \(row)") }
        open.append(event)
      }
    }

    @Test("A timeline that cannot be written is refused before the run", arguments: [nil, 2])
    func refused(ranks: Int?) throws {
      let run = try TrainingRun("refused-timeline", on: Trainings.fewStreets.get())
      for (path, words) in [
        ("/none/t.json", "there is no folder /none; make it"), ("/tmp", "is a folder; give the name"),
      ] {
        let job = try run.train(ranks: ranks, "--timeline", path)
        #expect(job.status == 2)
        #expect(job.errors.count == 1, "\(job.errors)")
        #expect(job.errors.last?.hasPrefix("gscnn: --timeline \(path): \(words)") == true, "\(job.errors)")
        #expect(!FileManager.default.fileExists(atPath: run.folder))
      }
    }

    @Test("A timeline keeps the latest events and counts the dropped ones; rows do not overlap, names are quoted")
    func lines() throws {
      let timeline = Timeline(capacity: 3)
      for index in 0..<5 {
        timeline.add(
          Timeline.Event(
            name: "image \"\(index)\"", track: .loading, begin: Double(index), end: Double(index) + 1.5, bytes: index)
        )
      }
      #expect(timeline.recorded.events.map(\.begin) == [2, 3, 4])
      #expect(timeline.recorded.dropped == 2)
      let text = TimelineFile.lines(of: timeline, rank: 3, host: "näme", offset: 0.25)
      let events = try JSONDecoder().decode([Event].self, from: Data("[".utf8 + text + "]".utf8))
      #expect(events.first?.args?.name == "rank 3 on näme, 2 earlier events left out")
      let loaded = events.filter { $0.ph == "X" }
      #expect(loaded.map(\.name) == ["image \"2\"", "image \"4\"", "image \"3\""])
      #expect(loaded.map(\.tid) == [0, 0, 1])
      #expect(loaded.map(\.ts) == [2_250_000, 4_250_000, 3_250_000])
      #expect(loaded.map(\.dur) == [1_500_000, 1_500_000, 1_500_000])
      #expect(loaded.map(\.args?.bytes) == [2, 4, 3])
    }
  }
}
