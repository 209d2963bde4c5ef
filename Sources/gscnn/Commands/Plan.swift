import ArgumentParser
import Cityscapes
import Distributed
import GatedSCNN
import Machine
import System
import Tensors
import Training

struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predicts step time, efficiency and memory of a training on a cluster, from a step on this machine.",
    discussion: """
      Times a step here, as one rank of the cluster would do it by itself, and adds what ranks say to each other, by a \
      model of the network. Give --step-seconds to time none: then a small step shows its parts, and their sum is scaled.
      """)

  @Option(help: .value("numbers", "Machines; several numbers, with commas, are compared."))
  var nodes = "1"

  @Option(help: .value("number", "Ranks on each machine, which share its link."))
  var ranksPerNode = 1

  @Option(help: .value("number", "Compute threads of each rank (default: those of this machine)."))
  var threads: Int?

  @Option(
    help: .value(
      "gbit/s", "Speed of a machine's link, each way: 8 times the gigabytes_per_second of gscnn bench allreduce."))
  var linkGbit = 10.0

  @Option(help: .value("microseconds", "Time of a small message from one rank to another over the link."))
  var latencyUs = 30.0

  @Option(name: .kebabOrSnake("backbone-type"), help: .value("name", "Depth of the backbone."))
  var backboneType = Backbone.resnet50

  @Option(name: .kebabOrSnake("crop-h"), help: .value("pixels", "Height of a training crop."))
  var cropH = 512

  @Option(name: .kebabOrSnake("crop-w"), help: .value("pixels", "Width of a training crop."))
  var cropW = 512

  @Option(
    name: .kebabOrSnake("batch-size"),
    help: .value("images", "Images of a step, over all ranks; larger ones are shown too."))
  var batchSize = 4

  @Option(help: .value("number", "Training images."))
  var images = 2975

  @Option(help: .value("number", "Validation images of 1024×2048, judged after each epoch."))
  var valImages = 500

  @Option(help: .value("ranks", "Who validates: rank0 or all."))
  var validateOn = TrainingOptions.ValidationRanks.rank0

  @Option(help: .value("number", "Times that every training image is seen."))
  var epochs = 60

  @Option(help: .value("percent", "Standard deviation of the ranks' speeds; everybody waits for the slowest."))
  var spread = 1.0

  @Option(
    help: .value("seconds", "A step of 2 images on one rank, as gscnn bench step says (default: one is timed here)."))
  var stepSeconds: Double?

  @Flag(help: "Print everything as JSON.")
  var json = false

  func run() throws {
    let numbers = nodes.split(separator: ",", omittingEmptySubsequences: false).compactMap { Int($0) }
    guard numbers.count == nodes.split(separator: ",", omittingEmptySubsequences: false).count,
      numbers.allSatisfy({ (1...100_000).contains($0) })
    else { throw OptionError("--nodes", nodes, "give numbers from 1 to 100000, as 1,16,128") }
    try check(["--ranks-per-node": ranksPerNode, "--threads": threads ?? 1], 1...1024)
    try check(["--crop-h": cropH, "--crop-w": cropW], 1...16384)
    try check(
      ["--batch-size": batchSize, "--images": images, "--val-images": valImages, "--epochs": epochs],
      1...1_000_000)
    for (option, value, least) in [
      ("--link-gbit", linkGbit, 1e-3), ("--latency-us", latencyUs, 0), ("--spread", spread, 0),
      ("--step-seconds", stepSeconds ?? 1, 1e-6),
    ] where !(least...1e6).contains(value) {
      throw OptionError(option, value, "give a number from \(least) to 1000000")
    }
    try onRankZero { print(plan(numbers)) }
  }

  private func plan(_ nodes: [Int]) -> String {
    let own = ProcessLayout.singleProcess.defaultThreads()
    let workers = WorkerPool(threads: min(threads ?? own, own))
    let size = Size(cropH, cropW)
    var step: StepMeasurement
    if let stepSeconds {
      let sample = Size(min(cropH, 256), min(cropW, 256))
      step = StepMeasurement(backboneType, images: 2, size: sample, workers: workers)
        .scaled(to: size)
      step.scale(to: stepSeconds, threads: threads ?? own)
    } else {
      step = StepMeasurement(backboneType, images: 2, size: size, workers: workers)
    }
    var run = CostModel.Run()
    (run.images, run.epochs, run.validationImages, run.validators) = (images, epochs, valImages, validateOn)
    let model = CostModel(step: step, run: run)
    let memory = StepMeasurement.memorySecondsPerByte()
    let blocks = nodes.map { count in
      PlanReport.Block(
        Cluster(
          nodes: count, ranksPerNode: ranksPerNode, threads: threads ?? own, linkBytesPerSecond: linkGbit * 125e6,
          linkLatency: latencyUs * 1e-6, memorySecondsPerByte: memory, spread: spread / 100),
        model, batchSize: batchSize)
    }
    let table = PlanReport(model, blocks, batchSize: batchSize)
    return json ? table.json : table.text
  }
}
