import Foundation
import Kernels
import Tensors
import Testing

/// The constants of the paper.
private let options = Losses.Options(ignoreIndex: 255, edgeThreshold: 0.8, edgeWeight: 20)

@Suite("Losses")
struct LossesTests {
  /// A batch with ignored pixels and edge probabilities on both sides of the threshold.
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
        random.uniform(below: 5) == 0 ? options.ignoreIndex : UInt8(random.uniform(below: shape.channels))
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

    func counts(_ workers: WorkerPool) -> Losses.PixelCounts {
      Losses.counts(edge: edge, target: target, boundary: boundary, options, on: workers)
    }

    func termsAndGradients(
      _ counts: Losses.PixelCounts, _ workers: WorkerPool
    ) -> (terms: Losses.Terms, gradients: Losses.Gradients) {
      Losses.termsAndGradients(
        logits: logits, edge: edge, target: target, boundary: boundary, counts: counts, options, on: workers)
    }

    func terms(_ counts: Losses.PixelCounts, _ workers: WorkerPool) -> Losses.Terms {
      Losses.terms(
        logits: logits, edge: edge, target: target, boundary: boundary, counts: counts, options, on: workers)
    }
  }

  /// The losses by definition, in double precision: semantic, edge, task.
  private func reference(_ z: [Double], _ p: [Double], predictedEdge: [Bool], _ batch: Batch) -> [Double] {
    let classes = batch.logits.shape.channels
    let valid = batch.target.indices.filter { batch.target[$0] != 255 }
    let n = Double(max(valid.count, 1))
    let onBoundary = Double(valid.count { batch.boundary[$0] == 1 })
    let offBoundary = Double(valid.count { batch.boundary[$0] == 0 })
    var losses = [0.0, 0.0, 0.0]
    var count = 0.0
    for pixel in valid {
      let logits = z[(pixel * classes)..<((pixel + 1) * classes)]
      let entropy = log(logits.reduce(0) { $0 + exp($1) }) - logits[pixel * classes + Int(batch.target[pixel])]
      losses[0] += entropy / n
      if batch.boundary[pixel] == 1 {
        losses[1] -= offBoundary / n * max(log(p[pixel]), -100) / n
      } else {
        losses[1] -= onBoundary / n * max(log1p(-p[pixel]), -100) / n
      }
      if predictedEdge[pixel] {
        losses[2] += entropy
        count += 1
      }
    }
    losses[2] /= max(count, 1)
    return losses
  }

  private func values(_ terms: Losses.Terms) -> [Double] { [terms.semantic, terms.edge, terms.task] }

  static let shapes = [
    Shape(1, 1, 1, 2), Shape(2, 3, 5, 8), Shape(3, 7, 9, 19), Shape(1, 1, 37, 24), Shape(2, 16, 13, 255),
  ]

  @Test("Losses agree with their definition", arguments: shapes)
  func definition(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let batch = Batch(shape)
    let z = batch.logits.dense.map(Double.init)
    let p = batch.edge.dense.map(Double.init)
    let expected = reference(z, p, predictedEdge: batch.edge.dense.map { $0 > 0.8 }, batch)
    let terms = batch.termsAndGradients(batch.counts(workers), workers).terms
    expectClose(values(terms).map { Float($0) }, expected, within: 1e-6)
    #expect(batch.terms(batch.counts(workers), workers) == terms)
  }

  @Test(
    "Gradients agree with finite differences of semantic + 20 · edge + task",
    arguments: [Shape(2, 3, 5, 3), Shape(1, 4, 3, 19), Shape(1, 4, 3, 2), Shape(1, 2, 3, 150)])
  func gradients(shape: Shape) {
    let workers = WorkerPool(threads: 2)
    let batch = Batch(shape)
    let z = batch.logits.dense.map(Double.init)
    let p = batch.edge.dense.map(Double.init)
    let predictedEdge = batch.edge.dense.map { $0 > 0.8 }
    func total(_ z: [Double], _ p: [Double]) -> Double {
      let losses = reference(z, p, predictedEdge: predictedEdge, batch)
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
    let logitSlopes = slopes(at: z) { total($0, p) }
    let edgeSlopes = slopes(at: p) { total(z, $0) }
    let gradients = batch.termsAndGradients(batch.counts(workers), workers).gradients
    expectClose(gradients.logits, logitSlopes, within: 1e-6)
    expectClose(gradients.edge, edgeSlopes, within: 1e-5)
  }

  @Test("Losses and gradients agree with PyTorch's, with probabilities of 0 and 1 and on both sides of the threshold")
  func pyTorch() {
    let workers = WorkerPool(threads: 1)
    let batch = Batch(
      logits: steps(Shape(2, 2, 3, 3)),
      edge: Tensor(Shape(2, 2, 3, 1), dense: [0, 1, 0.5, 0.9, 0.81, 0.79, 0.85, 0.2, 0.95, 1, 0, 0.8125]),
      target: [0, 1, 2, 255, 0, 1, 2, 2, 255, 1, 0, 1], boundary: [1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0])
    let counts = batch.counts(workers)
    #expect(counts == Losses.PixelCounts(valid: 10, onBoundary: 4, offBoundary: 6, predictedEdge: 5))
    let (terms, gradients) = batch.termsAndGradients(counts, workers)
    let losses = [1.767_708_239_315_120_2, 10.273_931_017_908_597, 1.178_611_463_333_441_5]
    for (loss, expected) in zip(values(terms), losses) { #expect(abs(loss / expected - 1) < 3e-7) }
    expectClose(
      gradients.logits,
      [
        -0.0943082652, 0.0204967246, 0.0738115406, 0.0582140987, -0.0903629774, 0.0321488787, 0.0194046996,
        0.0698790075,
        -0.0892837071, 0, 0, 0, -0.124109583, 0.0269736691, 0.0971359138, 0.00569173485, -0.0795032754, 0.0738115406,
        0.0582140987, 0.209637023, -0.267851121, 0.0194046996, 0.0698790075, -0.0892837071, 0, 0, 0, 0.175890417,
        -0.273026331, 0.0971359138, -0.0943082652, 0.0204967246, 0.0738115406, 0.0582140987, -0.0903629774,
        0.0321488787,
      ], within: 1e-7)
    let edgeGradient = [-1.2e12, 8e11, -2.4, 0, 4.210_526_32, -1.518_987_34, 5.333_333_33, 1, 0, 0, 0, 4.266_666_67]
    for (value, expected) in zip(gradients.edge.dense, edgeGradient) {
      #expect(abs(Double(value) - expected) <= 5e-7 * abs(expected), "\(value), not \(expected)")
    }
  }

  @Test("Without valid pixels, or without predicted edges, losses are 0 and not NaN")
  func nothingToCount() {
    let workers = WorkerPool(threads: 2)
    let shape = Shape(2, 3, 4, 19)
    let full = Batch(shape)
    let ignored = [UInt8](repeating: options.ignoreIndex, count: shape.pixels)
    let empty = Batch(logits: full.logits, edge: full.edge, target: ignored, boundary: full.boundary)
    #expect(
      empty.counts(workers) == Losses.PixelCounts(valid: 0, onBoundary: 0, offBoundary: 0, predictedEdge: 0))
    let (none, zeros) = empty.termsAndGradients(empty.counts(workers), workers)
    #expect(none == Losses.Terms(semantic: 0, edge: 0, task: 0))
    #expect(zeros.logits.dense.allSatisfy { $0 == 0 } && zeros.edge.dense.allSatisfy { $0 == 0 })

    let belowThreshold = Tensor(full.edge.shape, dense: full.edge.dense.map { $0 * 0.5 })
    let edgeless = Batch(
      logits: full.logits, edge: belowThreshold, target: full.target, boundary: full.boundary)
    let (terms, gradients) = edgeless.termsAndGradients(edgeless.counts(workers), workers)
    #expect(terms.task == 0 && terms.semantic > 0 && terms.edge > 0)
    #expect(gradients.logits.dense.allSatisfy { $0.isFinite })
  }

  @Test("Large logits give finite losses; certain and correct ones give 0")
  func largeLogits() {
    let workers = WorkerPool(threads: 1)
    let plane = Shape(1, 1, 2, 1)
    let batch = Batch(
      logits: Tensor(plane.with(channels: 3), dense: [1e30, 0, -1e30, -1e4, 1e4, 0]),
      edge: Tensor(plane, dense: [0.1, 0.1]), target: [0, 2], boundary: [0, 1])
    let (terms, gradients) = batch.termsAndGradients(batch.counts(workers), workers)
    #expect(terms.semantic == 5000)
    #expect(gradients.logits.dense == [0, 0, 0, 0, 0.5, -0.5])
  }

  @Test("NaN in a logit or a probability propagates to the loss")
  func undefined() {
    let workers = WorkerPool(threads: 1)
    let plane = Shape(1, 1, 1, 1)
    let batch = Batch(
      logits: Tensor(plane.with(channels: 3), dense: [0, .nan, 1]), edge: Tensor(plane, dense: [.nan]), target: [0],
      boundary: [0])
    let counts = Losses.PixelCounts(valid: 2, onBoundary: 1, offBoundary: 1, predictedEdge: 1)
    let terms = batch.termsAndGradients(counts, workers).terms
    #expect(terms.semantic.isNaN && terms.edge.isNaN)
  }

  @Test("Losses and gradients of the ranks are those of the whole batch, bit for bit", arguments: [1, 2, 4])
  func shares(ranks: Int) {
    let workers = WorkerPool(threads: 2)
    // Many batches, because in some of them a wrong order rounds to the same bits.
    for width in 1...16 {
      let whole = Batch(Shape(4, 5, width, 19))
      let counts = whole.counts(workers)
      let expected = whole.termsAndGradients(counts, workers)
      let share = 4 / ranks
      let batches = (0..<ranks).map { whole.images($0 * share..<($0 + 1) * share) }
      let parts = batches.map { $0.counts(workers) }
      #expect(parts.reduce(0) { $0 + $1.valid } == counts.valid)
      #expect(parts.reduce(0) { $0 + $1.onBoundary } == counts.onBoundary)
      #expect(parts.reduce(0) { $0 + $1.offBoundary } == counts.offBoundary)
      #expect(parts.reduce(0) { $0 + $1.predictedEdge } == counts.predictedEdge)
      let results = batches.map { $0.termsAndGradients(counts, workers) }
      #expect(PairwiseSum.total(results.map { values($0.terms) }) == values(expected.terms))
      #expect(results.flatMap { $0.gradients.logits.dense } == expected.gradients.logits.dense)
      #expect(results.flatMap { $0.gradients.edge.dense } == expected.gradients.edge.dense)
    }
  }

  @Test("The number of threads changes no bit", arguments: shapes)
  func threads(shape: Shape) {
    let batch = Batch(shape)
    let one = WorkerPool(threads: 1)
    let counts = batch.counts(one)
    let expected = batch.termsAndGradients(counts, one)
    expectZeroPadding(expected.gradients.logits)
    for threads in 2...3 {
      let workers = WorkerPool(threads: threads)
      #expect(batch.counts(workers) == counts)
      let (terms, gradients) = batch.termsAndGradients(counts, workers)
      #expect(terms == expected.terms)
      #expect(bits(gradients.logits) == bits(expected.gradients.logits))
      #expect(bits(gradients.edge) == bits(expected.gradients.edge))
    }
  }
}
