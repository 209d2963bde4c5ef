import Foundation
import Kernels
import Tensors
import Testing

@Suite("Losses")
struct LossesTests {
  /// A batch with everything in it: ignored pixels, edges on both sides of the threshold.
  struct Batch {
    let logits: Tensor
    let edge: Tensor
    let target: [UInt8]
    let boundary: [UInt8]

    init(_ shape: Shape) {
      logits = Tensor(shape, dense: randomTensor("logits \(shape)", shape).dense.map { 8 * $0 })
      let plane = shape.with(channels: 1)
      edge = Tensor(plane, dense: randomTensor("edge \(shape)", plane).dense.map { 0.5 + 0.499 * $0 })
      var random = RandomNumbers(named: "labels \(shape)")
      target = (0..<shape.pixels).map { _ in
        random.uniform(below: 5) == 0 ? Losses.ignored : UInt8(random.uniform(below: shape.channels))
      }
      boundary = (0..<shape.pixels).map { _ in random.uniform(below: 4) == 0 ? 1 : 0 }
    }

    init(logits: Tensor, edge: Tensor, target: [UInt8], boundary: [UInt8]) {
      self.logits = logits
      self.edge = edge
      self.target = target
      self.boundary = boundary
    }

    /// Images of the batch as a batch.
    func images(_ range: Range<Int>) -> Batch {
      func part(_ tensor: Tensor) -> Tensor {
        let size = tensor.shape.pixelsPerImage * tensor.shape.channels
        var shape = tensor.shape
        shape.images = range.count
        return Tensor(shape, dense: Array(tensor.dense[range.lowerBound * size..<range.upperBound * size]))
      }
      let pixels = logits.shape.pixelsPerImage
      let labels = range.lowerBound * pixels..<range.upperBound * pixels
      return Batch(
        logits: part(logits), edge: part(edge), target: Array(target[labels]), boundary: Array(boundary[labels]))
    }

    func counts(_ workers: WorkerPool) -> [Double] {
      Losses.counts(edge: edge, target: target, boundary: boundary, on: workers)
    }

    func joint(_ counts: [Double], _ workers: WorkerPool) -> Losses.Joint {
      Losses.jointLoss(
        logits: logits, edge: edge, target: target, boundary: boundary, counts: counts, on: workers)
    }

    func value(_ counts: [Double], _ workers: WorkerPool) -> [Double] {
      Losses.value(logits: logits, edge: edge, target: target, boundary: boundary, counts: counts, on: workers)
    }
  }

  /// The losses as their definition says, in double precision: semantic, edge, task.
  private func reference(_ z: [Double], _ p: [Double], strong: [Bool], _ batch: Batch) -> [Double] {
    let classes = batch.logits.shape.channels
    let known = batch.target.indices.filter { batch.target[$0] != 255 }
    let n = Double(max(known.count, 1))
    let onBoundary = Double(known.count { batch.boundary[$0] == 1 })
    let elsewhere = Double(known.count { batch.boundary[$0] == 0 })
    var losses = [0.0, 0.0, 0.0]
    var count = 0.0
    for pixel in known {
      let logits = z[(pixel * classes)..<((pixel + 1) * classes)]
      let entropy = log(logits.reduce(0) { $0 + exp($1) }) - logits[pixel * classes + Int(batch.target[pixel])]
      losses[0] += entropy / n
      if batch.boundary[pixel] == 1 {
        losses[1] -= elsewhere / n * max(log(p[pixel]), -100) / n
      } else {
        losses[1] -= onBoundary / n * max(log1p(-p[pixel]), -100) / n
      }
      if strong[pixel] {
        losses[2] += entropy
        count += 1
      }
    }
    losses[2] /= max(count, 1)
    return losses
  }

  static let shapes = [
    Shape(1, 1, 1, 2), Shape(2, 3, 5, 8), Shape(3, 7, 9, 19), Shape(1, 1, 37, 24), Shape(2, 16, 13, 255),
  ]

  @Test("Losses are those of the definition", arguments: shapes)
  func values(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let batch = Batch(shape)
    let z = batch.logits.dense.map(Double.init)
    let p = batch.edge.dense.map(Double.init)
    let expected = reference(z, p, strong: batch.edge.dense.map { $0 > 0.8 }, batch)
    let joint = batch.joint(batch.counts(workers), workers)
    expectClose(joint.sums.map { Float($0) }, expected, within: 1e-6)
    #expect(batch.value(batch.counts(workers), workers) == joint.sums)
  }

  @Test("Gradients are the slopes of semantic + 20 · edge + task", arguments: [Shape(2, 3, 5, 3), Shape(1, 4, 3, 19)])
  func gradients(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let batch = Batch(shape)
    let z = batch.logits.dense.map(Double.init)
    let p = batch.edge.dense.map(Double.init)
    let strong = batch.edge.dense.map { $0 > 0.8 }
    func total(_ z: [Double], _ p: [Double]) -> Double {
      let losses = reference(z, p, strong: strong, batch)
      return losses[0] + 20 * losses[1] + losses[2]
    }
    func slopes(at values: [Double], of total: ([Double]) -> Double) -> [Double] {
      values.indices.map { index in
        let step = 1e-6
        var moved = values
        moved[index] = values[index] + step
        let above = total(moved)
        moved[index] = values[index] - step
        return (above - total(moved)) / (2 * step)
      }
    }
    let ofLogits = slopes(at: z) { total($0, p) }
    let ofEdge = slopes(at: p) { total(z, $0) }
    let joint = batch.joint(batch.counts(workers), workers)
    expectClose(joint.logitsGradient, ofLogits, within: 1e-6)
    expectClose(joint.edgeGradient, ofEdge, within: 1e-5)
  }

  @Test("PyTorch's own numbers, probabilities of 0 and 1 and both sides of the threshold included")
  func pyTorch() {
    let workers = WorkerPool(threads: 1)
    let batch = Batch(
      logits: steps(Shape(2, 2, 3, 3)),
      edge: Tensor(Shape(2, 2, 3, 1), dense: [0, 1, 0.5, 0.9, 0.81, 0.79, 0.85, 0.2, 0.95, 1, 0, 0.8125]),
      target: [0, 1, 2, 255, 0, 1, 2, 2, 255, 1, 0, 1], boundary: [1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0])
    let counts = batch.counts(workers)
    #expect(counts == [10, 4, 6, 5])
    let joint = batch.joint(counts, workers)
    let losses = [1.767_708_239_315_120_2, 10.273_931_017_908_597, 1.178_611_463_333_441_5]
    for (loss, expected) in zip(joint.sums, losses) { #expect(abs(loss / expected - 1) < 3e-7) }
    expectClose(
      joint.logitsGradient,
      [
        -0.0943082652, 0.0204967246, 0.0738115406, 0.0582140987, -0.0903629774, 0.0321488787, 0.0194046996,
        0.0698790075,
        -0.0892837071, 0, 0, 0, -0.124109583, 0.0269736691, 0.0971359138, 0.00569173485, -0.0795032754, 0.0738115406,
        0.0582140987, 0.209637023, -0.267851121, 0.0194046996, 0.0698790075, -0.0892837071, 0, 0, 0, 0.175890417,
        -0.273026331, 0.0971359138, -0.0943082652, 0.0204967246, 0.0738115406, 0.0582140987, -0.0903629774,
        0.0321488787,
      ], within: 1e-7)
    let ofEdge = [-1.2e12, 8e11, -2.4, 0, 4.210_526_32, -1.518_987_34, 5.333_333_33, 1, 0, 0, 0, 4.266_666_67]
    for (value, expected) in zip(joint.edgeGradient.dense, ofEdge) {
      #expect(abs(Double(value) - expected) <= 5e-7 * abs(expected), "\(value), not \(expected)")
    }
  }

  @Test("A batch without a known pixel, or without a strong edge, costs nothing instead of NaN")
  func nothingToCount() {
    let workers = WorkerPool(threads: 2)
    let shape = Shape(2, 3, 4, 19)
    let full = Batch(shape)
    let ignored = [UInt8](repeating: Losses.ignored, count: shape.pixels)
    let empty = Batch(logits: full.logits, edge: full.edge, target: ignored, boundary: full.boundary)
    #expect(empty.counts(workers) == [0, 0, 0, 0])
    let nothing = empty.joint(empty.counts(workers), workers)
    #expect(nothing.sums == [0, 0, 0])
    #expect(nothing.logitsGradient.dense.allSatisfy { $0 == 0 } && nothing.edgeGradient.dense.allSatisfy { $0 == 0 })

    let weak = Tensor(full.edge.shape, dense: full.edge.dense.map { $0 * 0.5 })
    let calm = Batch(logits: full.logits, edge: weak, target: full.target, boundary: full.boundary)
    let loss = calm.joint(calm.counts(workers), workers)
    #expect(loss.sums[2] == 0 && loss.sums[0] > 0 && loss.sums[1] > 0)
    #expect(loss.logitsGradient.dense.allSatisfy { $0.isFinite })
  }

  @Test("Logits of any size give finite losses, and those that are certain and right cost nothing")
  func largeLogits() {
    let workers = WorkerPool(threads: 1)
    let plane = Shape(1, 1, 2, 1)
    let batch = Batch(
      logits: Tensor(plane.with(channels: 3), dense: [1e30, 0, -1e30, -1e4, 1e4, 0]),
      edge: Tensor(plane, dense: [0.1, 0.1]), target: [0, 2], boundary: [0, 1])
    let joint = batch.joint(batch.counts(workers), workers)
    #expect(joint.sums[0] == 5000)
    #expect(joint.logitsGradient.dense == [0, 0, 0, 0, 0.5, -0.5])
  }

  @Test("NaN in a logit or a probability reaches the loss")
  func undefined() {
    let workers = WorkerPool(threads: 1)
    let plane = Shape(1, 1, 1, 1)
    let batch = Batch(
      logits: Tensor(plane.with(channels: 3), dense: [0, .nan, 1]), edge: Tensor(plane, dense: [.nan]), target: [0],
      boundary: [0])
    let sums = batch.joint([2, 1, 1, 1], workers).sums
    #expect(sums[0].isNaN && sums[1].isNaN)
  }

  @Test("Ranks' losses and gradients are those of the whole batch to the bit", arguments: [1, 2, 4])
  func shares(ranks: Int) {
    let workers = WorkerPool(threads: 2)
    // Many batches: the roundings of a wrong order cancel in some.
    for width in 1...16 {
      let whole = Batch(Shape(4, 5, width, 19))
      let counts = whole.counts(workers)
      let expected = whole.joint(counts, workers)
      let share = 4 / ranks
      let batches = (0..<ranks).map { whole.images($0 * share..<($0 + 1) * share) }
      let together = batches.map { $0.counts(workers) }.reduce([0, 0, 0, 0]) { zip($0, $1).map(+) }
      #expect(together == counts)
      let parts = batches.map { $0.joint(counts, workers) }
      #expect(PairwiseSum.total(parts.map(\.sums)) == expected.sums)
      #expect(parts.flatMap { $0.logitsGradient.dense } == expected.logitsGradient.dense)
      #expect(parts.flatMap { $0.edgeGradient.dense } == expected.edgeGradient.dense)
    }
  }

  @Test("Threads change no bit", arguments: shapes)
  func threads(shape: Shape) {
    let batch = Batch(shape)
    let one = WorkerPool(threads: 1)
    let counts = batch.counts(one)
    let expected = batch.joint(counts, one)
    expectZeroPadding(expected.logitsGradient)
    for threads in 2...3 {
      let workers = WorkerPool(threads: threads)
      #expect(batch.counts(workers) == counts)
      let joint = batch.joint(counts, workers)
      #expect(joint.sums == expected.sums)
      #expect(bits(joint.logitsGradient) == bits(expected.logitsGradient))
      #expect(bits(joint.edgeGradient) == bits(expected.edgeGradient))
    }
  }
}
