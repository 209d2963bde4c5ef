import Microkernels

extension Backend {
  package static func addRows(_ values: ElementPointer, rows: Int, width: Int, to sums: UnsafeMutablePointer<Float>) {
    switch values.precision {
    case .float32: addRows(values.elements(Float.self), rows, width, sums)
    case .bfloat16: addRows(values.elements(BFloat16.self), rows, width, sums)
    }
  }

  @inline(__always)
  private static func addRows<E: Element>(
    _ values: Elements<E>, _ rows: Int, _ width: Int, _ sums: UnsafeMutablePointer<Float>
  ) {
    var row = values
    for _ in 0..<rows {
      for c in stride(from: 0, to: width, by: 8) { sums.store(sums.vector(c) + row.vector(c), c) }
      row += width
    }
  }

  package static func addRows(
    _ values: ElementPointer, rows: Int, width: Int, times factors: UnsafePointer<Float>,
    to sums: UnsafeMutablePointer<Float>
  ) {
    switch values.precision {
    case .float32: addRows(values.elements(Float.self), rows, width, factors, sums)
    case .bfloat16: addRows(values.elements(BFloat16.self), rows, width, factors, sums)
    }
  }

  @inline(__always)
  private static func addRows<E: Element>(
    _ values: Elements<E>, _ rows: Int, _ width: Int, _ factors: UnsafePointer<Float>,
    _ sums: UnsafeMutablePointer<Float>
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
    _ values: ElementPointer, rows: Int, width: Int, _ weights: UnsafePointer<Float>, plus offset: Float,
    into result: UnsafeMutablePointer<Float>
  ) {
    switch values.precision {
    case .float32: dot(values.elements(Float.self), rows, width, weights, offset, result)
    case .bfloat16: dot(values.elements(BFloat16.self), rows, width, weights, offset, result)
    }
  }

  @inline(__always)
  private static func dot<E: Element>(
    _ values: Elements<E>, _ rows: Int, _ width: Int, _ weights: UnsafePointer<Float>, _ offset: Float,
    _ result: UnsafeMutablePointer<Float>
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
    plus bias: UnsafePointer<Float>, into result: ElementPointer
  ) {
    switch result.precision {
    case .float32: outerProduct(values, rows, width, weights, bias, result.elements(Float.self))
    case .bfloat16: outerProduct(values, rows, width, weights, bias, result.elements(BFloat16.self))
    }
  }

  @inline(__always)
  private static func outerProduct<E: Element>(
    _ values: UnsafePointer<Float>, _ rows: Int, _ width: Int, _ weights: UnsafePointer<Float>,
    _ bias: UnsafePointer<Float>, _ result: Elements<E>
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
    _ feature: ElementPointer, rows: Int, width: Int, by attention: UnsafePointer<Float>, into result: ElementPointer
  ) {
    switch feature.precision {
    case .float32: gate(feature.elements(Float.self), rows, width, attention, result.elements())
    case .bfloat16: gate(feature.elements(BFloat16.self), rows, width, attention, result.elements())
    }
  }

  @inline(__always)
  private static func gate<E: Element>(
    _ feature: Elements<E>, _ rows: Int, _ width: Int, _ attention: UnsafePointer<Float>, _ result: Elements<E>
  ) {
    for row in 0..<rows {
      let factor = Vector(repeating: 1 + attention[row])
      for c in stride(from: row * width, to: (row + 1) * width, by: 8) { result.store(feature.vector(c) * factor, c) }
    }
  }

  package static func gateGradient(
    _ dy: ElementPointer, _ feature: ElementPointer, rows: Int, width: Int, by attention: UnsafePointer<Float>,
    feature featureGradient: ElementPointer, attention attentionGradient: UnsafeMutablePointer<Float>
  ) {
    switch feature.precision {
    case .float32:
      gateGradient(
        dy.elements(Float.self), feature.elements(), rows, width, attention, featureGradient.elements(),
        attentionGradient)
    case .bfloat16:
      gateGradient(
        dy.elements(BFloat16.self), feature.elements(), rows, width, attention, featureGradient.elements(),
        attentionGradient)
    }
  }

  @inline(__always)
  private static func gateGradient<E: Element>(
    _ dy: Elements<E>, _ feature: Elements<E>, _ rows: Int, _ width: Int, _ attention: UnsafePointer<Float>,
    _ featureGradient: Elements<E>, _ attentionGradient: UnsafeMutablePointer<Float>
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
