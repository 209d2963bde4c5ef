import Cityscapes
import GatedSCNN
import Synchronization
import System
import Testing
import Training

@Suite("Summary of an epoch") struct EpochSummaryTests {
  private func scores(
    loss: Double, mIoU: Double, classes: [Double?]? = nil, boundary: Double? = nil, category: Double? = 0.7
  ) -> EpochReport.Scores {
    EpochReport.Scores(
      loss: loss, pixelAccuracy: mIoU + 0.2, meanAccuracy: mIoU + 0.1, meanClassIoU: mIoU, meanCategoryIoU: category,
      classIoU: classes,
      boundaryF: boundary.map { [EpochReport.BoundaryF(threshold: 0.00088, radius: 3...3, mean: $0)] })
  }

  private func report(
    _ epoch: Int, train: EpochReport.Scores, _ validation: EpochReport.Scores?, average: EpochReport.Scores? = nil
  ) -> EpochReport {
    EpochReport(
      epoch: epoch, train: train, validation: validation, average: average, learningRate: 0.01, seconds: 75,
      imagesPerSecond: 0.8)
  }

  /// The IoU of each class of Cityscapes: 40 %, but for some.
  private func classes(_ changed: [String: Double?] = [:]) -> [Double?] {
    LabelTable.cityscapes.classes.map { changed[$0.name] ?? 0.4 }
  }

  /// What a run with these earlier epochs prints of its next one, without the line about its time.
  private func lines(
    after earlier: [EpochReport], _ report: EpochReport, isBest: Bool = false, isBestAverage: Bool = false,
    terminal: Int? = nil
  ) -> [String] {
    let lines = Written()
    let console = ConsoleProgress(
      ProgressLine(
        redraws: terminal != nil, columns: { terminal ?? 0 }, isUTF8: true, write: { lines.add($0) }, now: { 0 }),
      now: { 0 })
    var options = TrainingOptions()
    options.epochs = 60
    console.observe(
      .started(
        RunDescription(
          options: options, layout: [], parameters: 1, images: [:],
          length: TrainingLength(stepsPerEpoch: 10, epochs: 60),
          position: Position(epoch: earlier.count, step: 0), origin: nil, epochs: earlier)))
    _ = lines.take()
    console.observe(.epochFinished(report, isBest: isBest, isBestAverage: isBestAverage))
    return Array(lines.take().dropFirst())
  }

  private final class Written: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ text: String) { lines.withLock { $0.append(String(text.dropLast())) } }
    func take() -> [String] {
      lines.withLock { lines in
        defer { lines = [] }
        return lines
      }
    }
  }

  @Test(
    "An epoch is compared with the best one before it, the training with the epoch before, by figures and by classes")
  func better() {
    let earlier = [
      report(
        1, train: scores(loss: 1.5, mIoU: 0.3), scores(loss: 1.25, mIoU: 0.42, classes: classes(), boundary: 0.5),
        average: scores(loss: 2, mIoU: 0.2, boundary: 0.25)),
      report(2, train: scores(loss: 1.25, mIoU: 0.35), scores(loss: 1.5, mIoU: 0.4, classes: classes(["car": 0.9]))),
    ]
    let third = report(
      3, train: scores(loss: 1, mIoU: 0.4),
      scores(
        loss: 1, mIoU: 0.45,
        classes: classes([
          "pole": 0.52, "rider": 0.45, "bus": 0.41, "car": 0.404, "train": 0.318, "wall": 0.40004, "truck": nil,
        ]), boundary: 0.5525),
      average: scores(loss: 1.5, mIoU: 0.25, boundary: 0.3))
    let lines = lines(after: earlier, third, isBest: true, isBestAverage: true)
    #expect(
      lines == [
        "            loss     PA    mPA  class mIoU  category  boundary F",
        "  train   1.0000  60.00  50.00       40.00     70.00           -",
        "  vs 2   -0.2500  +5.00  +5.00       +5.00     +0.00           -",
        "  val     1.0000  65.00  55.00       45.00     70.00       55.25  best so far",
        "  vs 1   -0.2500  +3.00  +3.00       +3.00     +0.00       +5.25",
        "  ema     1.5000  45.00  35.00       25.00     70.00       30.00  best so far",
        "  vs 1   -0.5000  +5.00  +5.00       +5.00     +0.00       +5.00",
        "  gained since epoch 1: pole +12.00 to 52.00, rider +5.00 to 45.00",
        "  lost since epoch 1: train -8.20 to 31.80",
      ])
  }

  @Test("The first epoch is compared with nothing, and one without a validation has that of the training alone")
  func first() {
    #expect(
      lines(
        after: [], report(1, train: scores(loss: 1.5, mIoU: 0.3, category: nil), nil)) == [
          "           loss     PA    mPA  class mIoU",
          "  train  1.5000  50.00  40.00       30.00",
        ])
  }

  @Test("A loss that is not a number is compared with nothing, and is no best epoch of later ones")
  func notFinite() {
    let earlier = [
      report(1, train: scores(loss: 1, mIoU: 0.3), scores(loss: 1, mIoU: 0.3)),
      report(2, train: scores(loss: 1, mIoU: 0.3), scores(loss: .nan, mIoU: 0.6)),
    ]
    let lines = lines(after: earlier, report(3, train: scores(loss: -.nan, mIoU: 0.3), scores(loss: 2, mIoU: 0.2)))
    #expect(
      lines.dropFirst() == [
        "  train      nan   50.00   40.00       30.00     70.00",
        "  vs 2         -   +0.00   +0.00       +0.00     +0.00",
        "  val     2.0000   40.00   30.00       20.00     70.00",
        "  vs 1   +1.0000  -10.00  -10.00      -10.00     +0.00",
      ])
  }

  @Test(
    "No line is wider than 80 columns, and no figure is left out, whatever the names and numbers",
    arguments: [99.9999, 4.2e14])
  func width(loss: Double) {
    let long = scores(loss: loss, mIoU: 0.8, classes: classes(), boundary: 1)
    let earlier = [report(1, train: long, long, average: long)]
    let worst = scores(
      loss: 0, mIoU: 0, classes: classes(["traffic light": 1, "traffic sign": 0.9, "motorcycle": 0.8]), boundary: 0)
    let lines = lines(after: earlier, report(2, train: worst, worst, average: worst), isBest: true, isBestAverage: true)
    #expect(lines.map(\.count).max() ?? 0 <= 80, "\(lines)")
    #expect(lines[0].hasSuffix("boundary F"))
    #expect(lines.last == "  gained since epoch 1: traffic light +60.00 to 100.00")
  }

  @Test("On a narrower terminal the last figures are left out", arguments: [30, 40, 50, 60, 80])
  func narrow(columns: Int) {
    let scores = scores(loss: 1, mIoU: 0.4, classes: classes(), boundary: 0.5)
    let lines = lines(
      after: [report(1, train: scores, scores)], report(2, train: scores, scores), isBest: true, terminal: columns)
    #expect(lines.map(\.count).max() ?? 0 <= columns, "\(lines)")
    #expect(lines.count == 5 && lines[0].hasPrefix("            loss"))
    #expect(lines[0].hasSuffix("boundary F") == (columns == 80))
  }
}
