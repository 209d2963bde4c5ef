import Cityscapes
import Foundation
import Images
import Metrics
import SyntheticStreets
import System
import Tensors

extension Benchmarks {
  /// Times boundary F-score and boundary IoU of one image on one thread: a synthetic street against the same street with
  /// its boundaries moved by up to four pixels, in waves, and scattered wrong areas.
  package static func boundary(size: Size, steps: Int) throws -> BenchmarkResult {
    let folder = NSTemporaryDirectory() + "/gscnn-bench-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try SyntheticStreets(train: 1, val: 0, test: 0, size: size).write(to: folder)
    let labels = try CityscapesDirectory(root: folder).samples(of: .train)[0].labelIds
    let truth = try PNG.read(labels, as: .gray).pixels.map { Label.trainIds[Int($0)] }
    let prediction = waved(truth, size)
    let counts = BoundaryCounts(prediction: prediction, target: truth, size, BoundaryThresholds())
    let seconds = repeated(steps) {
      _ = BoundaryCounts(prediction: prediction, target: truth, size, BoundaryThresholds())
    }
    var result = BenchmarkResult(
      bench: "boundary", threads: 1, images: 1, height: size.height, width: size.width, seconds: seconds)
    result.boundaryPixels = (counts.predicted + counts.truth).reduce(0, +)
    return result
  }

  private static func waved(_ truth: [UInt8], _ size: Size) -> [UInt8] {
    var random = RandomNumbers(named: "benchmark")
    var prediction = truth
    for y in 0..<size.height {
      for x in 0..<size.width {
        let row = min(max(y + Int(4 * sin(Double(x) / 20)), 0), size.height - 1)
        let column = min(max(x + Int(4 * sin(Double(y) / 15)), 0), size.width - 1)
        let trainId = truth[row * size.width + column]
        prediction[y * size.width + x] = trainId == Label.ignored ? 0 : trainId
      }
    }
    for _ in 0..<200 {
      let (height, width) = (4 + random.uniform(below: 12), 4 + random.uniform(below: 24))
      let (top, left) = (random.uniform(below: size.height), random.uniform(below: size.width))
      let trainId = UInt8(random.uniform(below: Label.classCount))
      for y in top..<min(top + height, size.height) {
        for x in left..<min(left + width, size.width) { prediction[y * size.width + x] = trainId }
      }
    }
    return prediction
  }
}
