import Foundation
import Testing

extension CommandLine {
  @Suite("plan and layout")
  struct PlanCommandTests {
    let work: Workplace

    init() throws { work = try Workplace() }

    private let small = ["plan", "--crop-h", "32", "--crop-w", "32", "--step-seconds", "8", "--threads", "1"]

    @Test("plan compares numbers of machines, in a table and as JSON")
    func plan() throws {
      let table = try work.gscnn(small + ["--nodes", "1,4"])
      #expect(table.status == 0 && table.errors == [])
      #expect(table.output.contains { $0.hasPrefix("nodes  ranks  batch") })
      let json = try work.gscnn(small + ["--nodes", "1,4", "--json"])
      let plan = try JSONSerialization.jsonObject(with: Data(json.output.joined().utf8)) as? [String: Any]
      let predictions = try #require(plan?["predictions"] as? [[String: Any]])
      #expect(predictions.map { $0["nodes"] as? Int } == [1, 1, 1, 1, 4, 4, 4, 4])
      #expect(predictions.map { $0["batch_size"] as? Int } == [4, 8, 16, 32, 4, 8, 16, 32])
      // The given step of two images, twice its passes and once its update.
      let seconds = try #require(predictions[0]["step_seconds"] as? Double)
      #expect(seconds > 12 && seconds < 16.001)
    }

    @Test(
      "plan refuses an impossible cluster in one line that names the option",
      arguments: [
        ("--nodes", "0"), ("--nodes", "1,,2"), ("--nodes", "many"), ("--link-gbit", "0"), ("--latency-us", "-1"),
        ("--ranks-per-node", "0"), ("--step-seconds", "nan"), ("--spread", "inf"),
      ])
    func refusals(option: String, value: String) throws {
      try work.expectRefusal(
        ["plan", option, value], status: 2, saying: "'\(value)' is invalid for '\(option) ", "give ")
    }

    @Test("plan accepts the former names of its options and does not show them")
    func formerNames() throws {
      func workload(_ options: [String]) throws -> String? {
        let json = try work.gscnn(small + options + ["--json"])
        let plan = try JSONSerialization.jsonObject(with: Data(json.output.joined().utf8)) as? [String: Any]
        let workload = plan?["model"].flatMap { ($0 as? [String: Any])?["workload"] as? [String: Any] }
        return workload.map { "\($0["images"] ?? "") \($0["validation_images"] ?? "")" }
      }
      #expect(try workload(["--pictures", "100", "--val-pictures", "5"]) == "100 5")
      #expect(try workload(["--images", "100", "--val-images", "5"]) == "100 5")
      #expect(try !work.gscnn("plan", "--help").output.contains { $0.contains("picture") })
    }

    @Test("plan takes the options of a training from a recipe; those of the command line win")
    func recipe() throws {
      try work.write(
        Data(
          "batch-size: 8\nmax-steps: 80000\naccumulate: 2\ncrop-h: 48\nema-decay: 0.9\nprecision: bfloat16\nreduce: bfloat16\n"
            .utf8), to: "recipe.yaml")
      let json = try work.gscnn(small + ["--config", "recipe.yaml", "--images", "160", "--json"])
      #expect(json.status == 0, "\(json.errors)")
      let plan = try JSONSerialization.jsonObject(with: Data(json.output.joined().utf8)) as? [String: Any]
      let prediction = try #require((plan?["predictions"] as? [[String: Any]])?.first)
      #expect(prediction["batch_size"] as? Int == 8 && prediction["steps_per_epoch"] as? Int == 10)
      let model = try #require(plan?["model"] as? [String: Any])
      let workload = try #require(model["workload"] as? [String: Any])
      #expect(workload["steps"] as? Int == 80000 && workload["accumulate"] as? Int == 2)
      #expect(workload["precision"] as? String == "bfloat16" && workload["gradient_transport"] as? String == "bfloat16")
      #expect((model["step"] as? [String: Any])?["height"] as? Int == 32)
      let hours = try #require(prediction["training_hours"] as? Double)
      let epoch = try #require(prediction["epoch_seconds"] as? Double)
      #expect(abs(hours - 8000 * epoch / 3600) < 1e-6 * hours)
    }

    @Test("layout gives every rank of a training the same number of images, and other work a single rank")
    func layout() throws {
      try work.write(Data("batch-size: 6\n".utf8), to: "recipe.yaml")
      #expect(
        try work.gscnn("layout", "train", "@recipe.yaml").output
          == work.gscnn("layout", "train", "--batch-size", "6").output)
      let train = try work.gscnn("layout", "train", "--batch-size", "6")
      let ranks = try #require(train.output.first?.split(separator: " ").first.flatMap { Int($0) })
      #expect(ranks >= 1 && 6 % ranks == 0)
      #expect(try work.gscnn("layout", "info", "model.safetensors").output.first?.hasPrefix("1 rank (") == true)
    }
  }
}
