import Foundation
import GatedSCNN
import Jobs
import Microkernels
import Tensors
import Testing
import Training

extension Failures {
  @Suite("Memory before the first step")
  struct MemoryEstimateTests {
    @Test("The parameters of each backbone are estimated to two percent", arguments: [Backbone.resnet50, .resnet101])
    func parameters(backbone: Backbone) {
      let bytes = 4 * GatedSCNN(backbone, seed: 1).store.values.count
      #expect(bytes <= backbone.parameterBytes && Double(backbone.parameterBytes) < 1.02 * Double(bytes))
    }

    @Test(
      "The estimate of a step is not below its peak, and at most a tenth above",
      arguments: [
        ("resnet50", 2, 128, Precision.float32), ("resnet50", 4, 64, .float32), ("resnet101", 2, 64, .float32),
        ("resnet50", 2, 128, .bfloat16), ("resnet101", 2, 64, .bfloat16),
      ])
    func step(backbone: String, images: Int, side: Int, precision: Precision) throws {
      let peak = try peakBytes([
        "step", "--backbone-type", backbone, "--batch-size", "\(images)", "--crop-h", "\(side)", "--crop-w", "\(side)",
        "--precision", precision.rawValue,
      ])
      let estimate = MemoryEstimate(
        training: try #require(Backbone(rawValue: backbone)), images: images, crop: Size(side, side),
        savesCheckpoints: false, precision: precision)
      #expect(Double(estimate.peak) >= peak && Double(estimate.peak) < 1.1 * peak, "\(estimate.peak), in fact \(peak)")
    }

    @Test(
      "The estimate of an evaluation is not below its peak, and at most a quarter above",
      arguments: [
        ("resnet50", 256, Precision.float32), ("resnet101", 384, .float32), ("resnet50", 256, .bfloat16),
      ])
    func evaluation(backbone: String, height: Int, precision: Precision) throws {
      let peak = try peakBytes([
        "evaluate", "--backbone-type", backbone, "--height", "\(height)", "--width", "\(2 * height)",
        "--precision", precision.rawValue,
      ])
      let estimate = MemoryEstimate(
        evaluating: try #require(Backbone(rawValue: backbone)).parameterBytes, pixels: 2 * height * height,
        precision: precision)
      #expect(Double(estimate.peak) >= peak && Double(estimate.peak) < 1.25 * peak, "\(estimate.peak), in fact \(peak)")
    }

    /// The `peak_mb` of a benchmark.
    private func peakBytes(_ benchmark: [String]) throws -> Double {
      let job = try Job.run("gscnn", ["bench"] + benchmark + ["--steps", "1", "--threads", "2"], limit: 600)
      let line = try #require(job.output.first, "\(job.errors)")
      let megabytes = try #require(line.firstMatch(of: /"peak_mb":(\d+)/)?.1)
      return try #require(Double(megabytes)) * 1_048_576
    }

    @Test(
      "Each machine is compared with the sum of its ranks and the image cache: above the limit refused, else warned")
    func machines() throws {
      func rank(_ host: String, limit: Int?, available: Int?, cache: Int = 0) -> (
        MemoryEstimate, MemoryEstimate.Machine
      ) {
        (
          MemoryEstimate(
            training: .resnet50, images: 2, crop: Size(512, 512), evaluating: 1024 * 2048, savesCheckpoints: false),
          MemoryEstimate.Machine(host: host, limit: limit, available: available, cache: cache)
        )
      }
      let need = rank("a", limit: nil, available: nil).0.peak
      #expect(need > 2_900_000_000 && need < 3_300_000_000)
      #expect(try MemoryEstimate.check([rank("a", limit: nil, available: nil)]) == [])
      let fits = rank("a", limit: 2 * need, available: 2 * need)
      let small = rank("b", limit: need, available: need)
      #expect(try MemoryEstimate.check([fits, small, fits]) == [])
      let refused = #expect(throws: MemoryError.self) { try MemoryEstimate.check([fits, small, fits, small]) }
      #expect(
        refused?.description
          == "b: 2 ranks need about 6.2 GB of memory (training 3.1 GB a rank, validation 2.2 GB a rank), but the limit of "
          + "the container or job is 3.1 GB; give smaller crops (--crop-h, --crop-w) or a smaller --batch-size, or start "
          + "fewer ranks on this machine, or give it more memory")
      let cached = rank("c", limit: need + 999_999_999, available: nil, cache: 1_000_000_000)
      let line = #expect(throws: MemoryError.self) { try MemoryEstimate.check([cached]) }?.description ?? ""
      #expect(
        line.contains("the image cache 1.0 GB") && line.contains("; give a smaller --cache-gb, or give"), "\(line)")

      let warnings = try MemoryEstimate.check([fits, rank("d", limit: nil, available: need - 1)])
      #expect(warnings.count == 1)
      #expect(
        warnings.first?.hasPrefix("warning: d: 1 rank needs about 3.1 GB of memory (") == true
          && warnings.first?.contains("), and 3.1 GB are available; ") == true, "\(warnings)")
    }

    /// Whether this machine lets the tests mount something in a name space of their own.
    private static let canMount =
      (try? Job.run(command: ["unshare", "-m", "true"]).status) == 0

    @Test(
      "In a container whose limit is too low, train and evaluate say so before they begin, and smaller crops fit",
      .enabled(if: canMount, "this machine does not allow mounts"))
    func container() throws {
      let run = try TrainingRun("container", on: Trainings.fewStreets.get())
      let groups = SimulatedMachine()
      defer { run.remove() }
      func limited(to bytes: Int, _ words: [String]) throws -> Job {
        // Of version 1 and 2 of control groups.
        try groups.write("memory/memory.limit_in_bytes", "\(bytes)")
        try groups.write("memory.max", "\(bytes)")
        let mounting = [
          "unshare", "-m", "bash", "-c", "mount --bind \"$0\" /sys/fs/cgroup && exec \"$@\"", groups.root,
        ]
        return try Job.run("gscnn", words, under: mounting, limit: 600)
      }
      let training = [
        "train", "--data-path", run.data, "--save-path", run.folder, "--batch-size", "4", "--epochs", "1", "--threads",
        "1",
        "--stop-after", "1",
      ]
      let large = try limited(to: 1_500_000_000, training + ["--crop-h", "512", "--crop-w", "512"])
      #expect(large.status == 1)
      let line = try #require(large.errors.last)
      #expect(
        line.contains("1 rank needs about 5.9 GB of memory")
          && line.contains("limit of the container or job is 1.5 GB; ")
          && line.contains("smaller crops (--crop-h, --crop-w)"), "\(line)")
      #expect(try limited(to: 1_500_000_000, training + ["--crop-h", "64", "--crop-w", "64"]).status == 0)

      let evaluation = ["evaluate", "--data-path", run.data, "--model-weight", try Trainings.straight.get().model]
      let refused = try limited(to: 200_000_000, evaluation)
      #expect(refused.status == 1)
      #expect(
        refused.errors.last?.contains("1 rank needs about 0.3 GB of memory (evaluation 0.3 GB a rank), but") == true
          && refused.errors.last?.hasSuffix("; give it more memory") == true, "\(refused.errors)")
      #expect(try limited(to: 400_000_000, evaluation).status == 0)
    }
  }
}
