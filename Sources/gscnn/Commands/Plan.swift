import ArgumentParser
import Benchmarks
import Distributed
import Inference
import Machine
import Planning
import Tensors

struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Predicts step time, efficiency and memory of a training on a cluster, from a step on this machine.",
    discussion: """
      Times a step on this machine, as one rank of the cluster would run it alone, and adds communication by a cost \
      model. With --step-seconds a smaller step is timed, and its passes are scaled to that time.
      """)

  @Option(
    parsing: .unconditional,
    help: .value("numbers", "Numbers of machines to compare, separated by commas (default: 1)."),
    transform: NodeCounts.init)
  var nodes = NodeCounts(values: [1])

  @Option(in: .threads, help: .value("number", "Ranks on each machine, which share its link."))
  var ranksPerNode = 1

  @OptionGroup var threads: ThreadOptions

  @Option(
    in: 1e-3...1e6,
    help: .value(
      "gbit/s",
      "Speed of a machine's link, each way: 8 times the gigabytes_per_second of gscnn bench allreduce without --reduce."
    ))
  var linkGbit = 10.0

  @Option(in: 0...1e6, help: .value("microseconds", "Latency of a small message over the link."))
  var latencyUs = 30.0

  @OptionGroup var backbone: BackboneOptions
  @OptionGroup var computation: PrecisionOptions
  @OptionGroup var exchange: ReduceOptions
  @OptionGroup var crop: CropOptions

  @Option(
    name: .kebabOrSnake("batch-size"), in: .count,
    help: .value("images", "Images of a batch, over all ranks; larger batches are shown too."))
  var batchSize = defaults.batchSize

  @Option(in: .count, help: .value("number", "Training images."))
  var images = workload.images

  @Option(in: .count, help: .value("number", "Validation images of 1024×2048, evaluated after each epoch."))
  var valImages = workload.validationImages

  @Option(help: .value("ranks", "Ranks that validate: rank0 or all."))
  var validateOn = defaults.validators

  @Option(in: .count, help: .value("number", "Passes over the training images."))
  var epochs = defaults.epochs

  @Option(
    in: .steps, help: .value("steps", "Length of the training in steps, whatever the batch, in place of --epochs."))
  var maxSteps: Int?

  @Option(in: 1...65536, help: .value("number", "Batches per step, one after another, of --batch-size images each."))
  var accumulate = defaults.optimizer.accumulate

  @Option(
    help: .value(
      "file",
      "Read the options of a training from a file (train --config); those of the command line win. Also as @FILE."))
  var config: String?

  @Option(in: 0...1e6, help: .value("percent", "Standard deviation of the ranks' speeds; all wait for the slowest."))
  var spread = 1.0

  @Option(
    in: 1e-6...1e6,
    help: .value(
      "seconds", "Time of a step of 2 images on one rank, from gscnn bench step (default: measured here)."))
  var stepSeconds: Double?

  @Flag(help: "Print everything as JSON.")
  var json = false

  @Option(in: .count, help: .formerName)
  var pictures: Int?

  @Option(in: .count, help: .formerName)
  var valPictures: Int?

  private static let workload = CostModel.Workload()

  func run() throws {
    try onRankZero { print(try plan()) }
  }

  private func plan() throws -> String {
    let cores = ProcessLayout.singleProcess.defaultThreads()
    let threads = threads.threads ?? cores
    let workers = WorkerPool(threads: min(threads, cores))
    var step: StepMeasurement
    if let stepSeconds {
      let sample = Size(min(crop.cropH, 256), min(crop.cropW, 256))
      step = try StepMeasurement.measure(
        backbone.backboneType, precision: computation.precision, images: 2, size: sample, workers: workers
      )
      .scaled(to: crop.size)
      step.scale(to: stepSeconds, threads: threads)
    } else {
      step = try StepMeasurement.measure(
        backbone.backboneType, precision: computation.precision, images: 2, size: crop.size, workers: workers)
    }
    var workload = CostModel.Workload()
    (workload.images, workload.accumulate) = (pictures ?? images, accumulate)
    (workload.precision, workload.gradientTransport) = (computation.precision, exchange.reduce)
    (workload.epochs, workload.steps) = (epochs, maxSteps)
    (workload.validationImages, workload.validators) = (valPictures ?? valImages, validateOn)
    let model = CostModel(step: step, workload: workload)
    let memory = StepMeasurement.memorySecondsPerByte()
    let scenarios = nodes.values.map { count in
      PlanReport.Scenario(
        Cluster(
          nodes: count, ranksPerNode: ranksPerNode, threads: threads, linkBytesPerSecond: linkGbit * 125e6,
          linkLatency: latencyUs * 1e-6, memorySecondsPerByte: memory, spread: spread / 100),
        model, batchSize: batchSize)
    }
    let report = PlanReport(model, scenarios, batchSize: batchSize)
    return json ? report.json : report.text
  }
}

/// Numbers of machines, parsed from text like 1,16,128.
struct NodeCounts {
  let values: [Int]

  init(values: [Int]) { self.values = values }

  init(_ text: String) throws {
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    values = words.compactMap { Int($0) }
    guard values.count == words.count, values.allSatisfy({ (1...100_000).contains($0) }) else {
      throw ValidationError("give numbers from 1 to 100000, for example 1,16,128")
    }
  }
}
