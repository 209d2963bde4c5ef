import Microkernels

extension Backend {
  package static func addRows(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, to sums: UnsafeMutablePointer<Float>
  ) {
    var row = values
    for _ in 0..<rows {
      for c in stride(from: 0, to: width, by: 8) { sums.store(sums.vector(c) + row.vector(c), c) }
      row += width
    }
  }

  package static func addRows(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, times factors: UnsafePointer<Float>,
    to sums: UnsafeMutablePointer<Float>
  ) {
    var row = values
    for index in 0..<rows {
      let factor = Vector(repeating: factors[index])
      for c in stride(from: 0, to: width, by: 8) {
        sums.store(fma(factor, row.vector(c), sums.vector(c)), c)
      }
      row += width
    }
  }

  package static func dot(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, _ weights: UnsafePointer<Float>, plus offset: Float,
    into result: UnsafeMutablePointer<Float>
  ) {
    var row = values
    for index in 0..<rows {
      var sum = row.vector() * weights.vector()
      for c in stride(from: 8, to: width, by: 8) { sum = fma(row.vector(c), weights.vector(c), sum) }
      result[index] = sum.horizontalSum + offset
      row += width
    }
  }

  package static func outerProduct(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, _ weights: UnsafePointer<Float>,
    plus bias: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>
  ) {
    var row = result
    for index in 0..<rows {
      let value = Vector(repeating: values[index])
      for c in stride(from: 0, to: width, by: 8) {
        row.store(fma(value, weights.vector(c), bias.vector(c)), c)
      }
      row += width
    }
  }

  package static func gate(
    _ feature: UnsafePointer<Float>, rows: Int, width: Int, by attention: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      let factor = Vector(repeating: 1 + attention[row])
      for c in stride(from: row * width, to: (row + 1) * width, by: 8) { result.store(feature.vector(c) * factor, c) }
    }
  }

  package static func gateGradient(
    _ dy: UnsafePointer<Float>, _ feature: UnsafePointer<Float>, rows: Int, width: Int,
    by attention: UnsafePointer<Float>, feature featureGradient: UnsafeMutablePointer<Float>,
    attention attentionGradient: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      let factor = Vector(repeating: 1 + attention[row])
      var sum = Vector.zero
      for c in stride(from: row * width, to: (row + 1) * width, by: 8) {
        let value = dy.vector(c)
        featureGradient.store(value * factor, c)
        sum = fma(value, feature.vector(c), sum)
      }
      attentionGradient[row] = sum.horizontalSum
    }
  }
}
