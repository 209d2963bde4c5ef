import Foundation
import Kernels
import Tensors
import Testing

@Suite("Windows and views", .everyInstructionSet)
struct WindowTests {
  @Test(
    "Windows lie a step apart, the last one at the end",
    arguments: [
      (10, 4, 1, [0, 3, 6]), (11, 4, 1, [0, 3, 6, 7]), (4, 4, 1, [0]), (3, 4, 1, [0]), (9, 4, 0, [0, 4, 5]),
      (8, 4, 0, [0, 4]), (8, 4, 3, [0, 1, 2, 3, 4]),
    ])
  func positions(pixels: Int, window: Int, overlap: Int, starts: [Int]) {
    let positions = WindowPositions(of: pixels, window: window, overlap: overlap)
    #expect(positions.starts == starts)
    #expect(positions.length == min(window, pixels))
  }

  /// The classes and probabilities of logits that are the same function of row and column in every window.
  @Test(
    "Logits cut into windows and put together again are the logits",
    arguments: [(7, 5, 2), (16, 4, 3), (5, 16, 4), (40, 40, 0), (6, 3, 0)])
  func together(height: Int, width: Int, overlap: Int) {
    let size = Size(19, 23)
    for threads in [1, 3] {
      let workers = WorkerPool.underTest(threads: threads)
      let logits = randomTensor("windows", Shape(1, size.height, size.width, 19))
      func result(_ add: (inout ProbabilityMap.AugmentedView) -> Void) -> ProbabilityMap {
        // To another size, so that rows are interpolated across the borders of windows.
        let map = ProbabilityMap(Size(31, 17), channels: 19, views: 1, keepsProbabilities: true)
        var view = ProbabilityMap.AugmentedView(of: map, size, isMirrored: false)
        add(&view)
        return map
      }
      let whole = result { $0.add(logits, first: 0, end: size.height, on: workers) }
      let rows = WindowPositions(of: size.height, window: height, overlap: overlap)
      let columns = WindowPositions(of: size.width, window: width, overlap: overlap)
      let pieced = result { view in
        let sums = WindowedLogits(rows, columns, channels: 19)
        for top in rows.starts {
          for left in columns.starts {
            sums.add(cut(logits, top, left, Size(rows.length, columns.length)), left: left, on: workers)
          }
          sums.finishRow(into: &view, on: workers)
        }
      }
      for pixel in 0..<31 * 17 {
        for channel in 0..<19 {
          // A sum of equal numbers is rounded when it is divided again.
          let (a, b) = (whole.probability(of: channel, at: pixel), pieced.probability(of: channel, at: pixel))
          #expect(abs(a - b) <= 1e-6)
        }
      }
      #expect(whole.predictions(on: workers) == pieced.predictions(on: workers))
    }
  }

  private func cut(_ x: Tensor, _ top: Int, _ left: Int, _ size: Size) -> Tensor {
    var values: [Float] = []
    for row in top..<top + size.height {
      for column in left..<left + size.width {
        for channel in 0..<x.shape.channels { values.append(x[0, row, column, channel]) }
      }
    }
    return Tensor(x.shape.with(size: size), dense: values)
  }

  @Test("The mean of the softmax over views, mirrored ones mirrored back", arguments: [2, 8, 9, 19])
  func mean(classes: Int) {
    let workers = WorkerPool.underTest(threads: 2)
    let size = Size(6, 7)
    let views = ["first", "second"].map { randomTensor($0, Shape(1, size.height, size.width, classes)) }
    let map = ProbabilityMap(size, channels: classes, views: 2)
    for (index, logits) in views.enumerated() {
      var view = ProbabilityMap.AugmentedView(of: map, size, isMirrored: index == 1)
      view.add(logits, first: 0, end: size.height, on: workers)
    }
    let predictions = map.predictions(on: workers)
    for row in 0..<size.height {
      for column in 0..<size.width {
        let expected = zip(softmax(views[0], row, column), softmax(views[1], row, size.width - 1 - column)).map {
          ($0 + $1) / 2
        }
        let pixel = row * size.width + column
        for channel in 0..<classes {
          #expect(abs(Double(map.probability(of: channel, at: pixel)) - expected[channel]) < 1e-6)
        }
        #expect(expected.max().map { expected[Int(predictions[pixel])] > $0 - 1e-6 } == true)
      }
    }
  }

  private func softmax(_ logits: Tensor, _ row: Int, _ column: Int) -> [Double] {
    let powers = (0..<logits.shape.channels).map { exp(Double(logits[0, row, column, $0])) }
    return powers.map { $0 / powers.reduce(0, +) }
  }
}
