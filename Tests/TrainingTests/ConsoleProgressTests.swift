import Cityscapes
import GatedSCNN
import Inference
import Synchronization
import System
import Testing
import Training

/// Collects what is written.
private final class Screen: Sendable {
  private let written = Mutex<[String]>([])
  private let time = Mutex(1000.0)

  var pieces: [String] {
    get { written.withLock { $0 } }
    set { written.withLock { $0 = newValue } }
  }
  var seconds: Double {
    get { time.withLock { $0 } }
    set { time.withLock { $0 = newValue } }
  }

  func progress(isTerminal: Bool = false) -> ConsoleProgress {
    ConsoleProgress(
      ProgressLine(
        redraws: isTerminal, columns: { 80 }, isUTF8: true,
        write: { text in self.written.withLock { $0.append(text) } },
        now: { self.seconds }), now: { self.seconds })
  }
}

@Suite("Console progress")
struct ConsoleProgressTests {
  private static let scores = EpochReport.Scores(
    loss: 2.5, pixelAccuracy: 0.9, meanAccuracy: 0.5, meanClassIoU: 0.4, meanCategoryIoU: 0.6)

  private func started(_ progress: ConsoleProgress, logEvery: Int = 10) {
    var options = TrainingOptions()
    options.epochs = 2
    options.logEvery = logEvery
    progress.observe(
      .started(
        RunDescription(
          options: options, layout: ["4 ranks on 1 machine"], parameters: 40_512_345, images: [.val: 3, .train: 40],
          length: TrainingLength(stepsPerEpoch: 10, epochs: 2), position: Position(epoch: 0, step: 0), origin: nil)))
  }

  private func step(_ step: Int, epoch: Int = 0, speed: Double = 0.8) -> TrainingEvent {
    .stepped(
      StepReport(
        position: Position(epoch: epoch, step: step), loss: JointLoss(semantic: 1, edge: 0.05, task: 0.5),
        learningRate: 0.01, gradientNorm: 3, imagesPerSecond: speed))
  }

  private func finished(seconds: Double, validated: Bool = true) -> TrainingEvent {
    .epochFinished(
      EpochReport(
        epoch: 1, train: Self.scores, validation: validated ? Self.scores : nil, learningRate: 0.01, seconds: seconds,
        imagesPerSecond: 0.8), isBest: true, isBestAverage: false)
  }

  @Test("Without a terminal: plain lines, every --log-every steps and at the end of an epoch")
  func lines() {
    let screen = Screen()
    let progress = screen.progress()
    started(progress, logEvery: 4)
    for number in 1...10 { progress.observe(step(number)) }
    for done in 0...3 { progress.observe(.imageEvaluated(.val, done: done, of: 3)) }
    progress.observe(finished(seconds: 75))
    progress.observe(.finished(bestScore: 0.4, early: false))
    #expect(
      screen.pieces == [
        "4 ranks on 1 machine\n",
        "Gated-SCNN on resnet50, 40.5 M parameters; images: 40 train, 3 val; 10 steps an epoch\n",
        "options: data-path data, save-path results, backbone-type resnet50, crop-h 512, crop-w 512, batch-size 4,\n",
        "   epochs 2, seed 1, learning-rate 0.01, momentum 0.9, weight-decay 0.0001, power 1, augment random,\n",
        "   batch-norm sync, normalize imagenet, save-best class-miou, precision float32, reduce float32,\n",
        "   schedule epoch, final-learning-rate 0, warmup-steps 0, optimizer sgd, backbone-lr-factor 1,\n",
        "   head-lr-factor 1, accumulate 1, scale 0.5,1,2, loss standard, on-nonfinite stop, validate-on all,\n",
        "   validate-every 1, test end, checkpoint-minutes 30, keep 3, log-every 4, tensorboard-images-every 10\n",
        "epoch 1/2 step 4/10 loss 2.5000 (semantic 1.0000 edge 0.0500 task 0.5000) lr 0.01 0.80 images/s\n",
        "epoch 1/2 step 8/10 loss 2.5000 (semantic 1.0000 edge 0.0500 task 0.5000) lr 0.01 0.80 images/s\n",
        "epoch 1/2 step 10/10 loss 2.5000 (semantic 1.0000 edge 0.0500 task 0.5000) lr 0.01 0.80 images/s\n",
        "epoch 1/2 in 1 min 15 s\n",
        "           loss     PA    mPA  class mIoU  category\n",
        "  train  2.5000  90.00  50.00       40.00     60.00\n",
        "  val    2.5000  90.00  50.00       40.00     60.00  best so far\n",
        "done; best validation class mIoU 40.00 %\n",
      ])
  }

  @Test("The dual-task loss has its place in the line of a step if it is part of the loss")
  func dualTask() {
    let screen = Screen()
    let progress = screen.progress()
    started(progress, logEvery: 4)
    progress.observe(
      .stepped(
        StepReport(
          position: Position(epoch: 0, step: 4),
          loss: JointLoss(semantic: 1, edge: 0.05, task: 0.5, dual: 0.25, dualWeight: 2), learningRate: 0.01,
          gradientNorm: 3, imagesPerSecond: 0.8)))
    #expect(
      screen.pieces.last
        == "epoch 1/2 step 4/10 loss 3.0000 (semantic 1.0000 edge 0.0500 task 0.5000 dual 0.2500) lr 0.01 0.80 images/s\n"
    )
  }

  @Test("Without a terminal: a line each minute of an evaluation, and one where it goes on after a stop")
  func evaluation() {
    let screen = Screen()
    let progress = screen.progress()
    func evaluate(_ split: Split, from start: Int, to end: Int, of total: Int) {
      for done in start...end {
        progress.observe(.imageEvaluated(split, done: done, of: total))
        screen.seconds += 25
      }
    }
    evaluate(.val, from: 0, to: 8, of: 8)
    #expect(
      screen.pieces == [
        "validating: 3 of 8 images, 2 min 5 s left\n", "validating: 6 of 8 images, 50 s left\n",
      ])
    screen.pieces = []
    evaluate(.val, from: 8, to: 8, of: 8)
    evaluate(.test, from: 5, to: 8, of: 9)
    #expect(
      screen.pieces == [
        "  test goes on: 5 of 9 images are done\n", "predicting the test split: 8 of 9 images, 25 s left\n",
      ])
  }

  @Test("The test split without labels has no figures")
  func unlabeledTest() {
    let screen = Screen()
    screen.progress().observe(.tested(Evaluation(of: .test)))
    #expect(screen.pieces == ["  test:  0 images predicted; no figures, as their labels are empty\n"])
  }

  @Test("A skipped step gets a line with what was not finite and the images, and the epoch counts them")
  func skipped() {
    let screen = Screen()
    let progress = screen.progress()
    started(progress)
    screen.pieces = []
    let images = (1...7).map { "\($0).png" }
    progress.observe(.skipped(Position(epoch: 0, step: 3), .gradient("seg.6.weight"), images: images))
    progress.observe(
      .epochFinished(
        EpochReport(
          epoch: 1, train: Self.scores, validation: nil, learningRate: 0.01, seconds: 5, imagesPerSecond: 0.8,
          skipped: 1), isBest: false, isBestAverage: false))
    #expect(
      screen.pieces.first
        == "epoch 1/2 step 4/10 skipped: the gradient of seg.6.weight is not finite; "
        + "images: 1.png, 2.png, 3.png, 4.png, 5.png and 2 more\n")
    #expect(screen.pieces.dropFirst().first == "epoch 1/2 in 5 s; 1 step skipped\n")
  }

  @Test("On a terminal: a bar with loss, speed and the time left; other lines clear it")
  func bar() {
    let screen = Screen()
    let progress = screen.progress(isTerminal: true)
    started(progress)
    screen.pieces = []
    progress.observe(step(5))
    // 15 steps of 4 images at 0.8 images a second.
    #expect(
      screen.pieces == [
        "\r\u{1B}[Kepoch 1/2 ████████········ 5/10, loss 2.5000, 0.80 images/s, 1 min 15 s left"
      ])
    screen.seconds += 25
    progress.observe(step(10, speed: 1.3))
    #expect(
      screen.pieces.last == "\r\u{1B}[Kepoch 1/2 ████████████████ 10/10, loss 2.5000, 0.90 images/s, 44 s left")
    progress.observe(.imageEvaluated(.val, done: 0, of: 3))
    screen.seconds += 5
    progress.observe(.imageEvaluated(.val, done: 1, of: 3))
    #expect(screen.pieces.last == "\r\u{1B}[Kvalidating █████··········· 1 of 3 images, 10 s left")
    screen.seconds += 10
    progress.observe(.imageEvaluated(.val, done: 3, of: 3))
    progress.observe(finished(seconds: 7300, validated: false))
    #expect(screen.pieces.contains("epoch 1/2 in 2 h 1 min\n"))
    screen.seconds += 5
    progress.observe(step(1, epoch: 1, speed: 0.9))
    // 9 steps of 4 images at 0.9 images a second, and a validation of 15 seconds.
    #expect(
      screen.pieces.last == "\r\u{1B}[Kepoch 2/2 █··············· 1/10, loss 2.5000, 0.90 images/s, 55 s left")
  }

  @Test("Without a terminal: a line a minute if steps take long, and the average is validated after the model")
  func longSteps() {
    let screen = Screen()
    let progress = screen.progress()
    started(progress, logEvery: 10)
    screen.pieces = []
    for number in 1...4 {
      screen.seconds += 25
      progress.observe(step(number))
    }
    #expect(
      screen.pieces == ["epoch 1/2: 3/10, loss 2.5000, 0.80 images/s, 1 min 25 s left\n"])
    screen.pieces = []
    for _ in 0..<2 {
      for done in 0...3 {
        progress.observe(.imageEvaluated(.val, done: done, of: 3))
        screen.seconds += 35
      }
    }
    #expect(
      screen.pieces == [
        "validating: 1 of 3 images, 1 min 10 s left\n", "validating: 3 of 3 images, 0 s left\n",
        "validating the average: 1 of 3 images, 1 min 10 s left\n",
        "validating the average: 3 of 3 images, 0 s left\n",
      ])
  }

  @Test("A stop names the checkpoint folder and the option to resume")
  func stop() {
    let screen = Screen()
    let progress = screen.progress()
    progress.observe(.stopped(status: 75, checkpoint: "results/P/checkpoints"))
    #expect(screen.pieces == ["stopped; saved in results/P/checkpoints: resume with --resume auto\n"])
  }
}
