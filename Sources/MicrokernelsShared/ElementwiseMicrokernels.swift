import Microkernels

extension Backend {
  package static func add(_ summand: ElementPointer, to sum: ElementPointer, count: Int) {
    switch sum.precision {
    case .float32: add(summand.elements(Float.self), sum.elements(), count)
    case .bfloat16: add(summand.elements(BFloat16.self), sum.elements(), count)
    }
  }

  @inline(__always)
  private static func add<E: Element>(_ summand: Elements<E>, _ sum: Elements<E>, _ count: Int) {
    for i in stride(from: 0, to: count, by: 8) { sum.store(sum.vector(i) + summand.vector(i), i) }
  }

  package static func linearCombination(
    rows: Int, columns: Int, _ a: Float, _ left: UnsafePointer<Float>, _ leftStride: Int, _ b: Float,
    _ right: UnsafePointer<Float>, _ rightStride: Int, into sum: UnsafeMutablePointer<Float>, _ sumStride: Int
  ) {
    for row in 0..<rows {
      let (left, right, sum) = (left + row * leftStride, right + row * rightStride, sum + row * sumStride)
      for i in stride(from: 0, to: columns, by: 8) { sum.store(fma(b, right.vector(i), a * left.vector(i)), i) }
    }
  }

  package static func relu(_ x: ElementPointer, into y: ElementPointer, count: Int) {
    switch x.precision {
    case .float32: relu(x.elements(Float.self), y.elements(), count)
    case .bfloat16: relu(x.elements(BFloat16.self), y.elements(), count)
    }
  }

  @inline(__always)
  private static func relu<E: Element>(_ x: Elements<E>, _ y: Elements<E>, _ count: Int) {
    for i in stride(from: 0, to: count, by: 8) { y.store(x.vector(i).relu, i) }
  }

  package static func reluGradient(
    _ dy: ElementPointer, where y: ElementPointer, into dx: ElementPointer, count: Int
  ) {
    switch y.precision {
    case .float32: reluGradient(dy.elements(Float.self), y.elements(), dx.elements(), count)
    case .bfloat16: reluGradient(dy.elements(BFloat16.self), y.elements(), dx.elements(), count)
    }
  }

  @inline(__always)
  private static func reluGradient<E: Element>(
    _ dy: Elements<E>, _ y: Elements<E>, _ dx: Elements<E>, _ count: Int
  ) {
    for i in stride(from: 0, to: count, by: 8) { dx.store(dy.vector(i).zeroed(whereNotPositive: y.vector(i)), i) }
  }

  package static func convert(_ source: ElementPointer, to target: ElementPointer, count: Int) {
    switch (source.precision, target.precision) {
    case (.float32, .float32): convert(source.elements(Float.self), target.elements(Float.self), count)
    case (.float32, .bfloat16): convert(source.elements(Float.self), target.elements(BFloat16.self), count)
    case (.bfloat16, .float32): convert(source.elements(BFloat16.self), target.elements(Float.self), count)
    case (.bfloat16, .bfloat16): convert(source.elements(BFloat16.self), target.elements(BFloat16.self), count)
    }
  }

  @inline(__always)
  private static func convert<E: Element, F: Element>(_ source: Elements<E>, _ target: Elements<F>, _ count: Int) {
    for i in stride(from: 0, to: count, by: 8) { target.store(source.vector(i), i) }
  }

  package static func sgdStep(
    _ w: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>, _ v: UnsafeMutablePointer<Float>, count: Int,
    gradientScale: Float, learningRate: Float, momentum: Float, weightDecay: Float
  ) -> Bool {
    // Zero times a number is zero, but NaN if the number is infinite or NaN.
    var zeros = Vector.zero
    var index = 0
    while index + 8 <= count {
      let weight = w.vector(index)
      let velocity = fma(momentum, v.vector(index), fma(weightDecay, weight, g.vector(index) * gradientScale))
      v.store(velocity, index)
      let updated = fma(-learningRate, velocity, weight)
      w.store(updated, index)
      zeros += updated * 0
      index += 8
    }
    var sum: Float = 0
    while index < count {
      v[index] = scalarFMA(v[index], momentum, scalarFMA(w[index], weightDecay, g[index] * gradientScale))
      w[index] = scalarFMA(v[index], -learningRate, w[index])
      sum += w[index] * 0
      index += 1
    }
    for lane in 0..<8 { sum += zeros[lane] }
    return sum == 0
  }

  package static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
    // The square of a float is exact in double precision. Two sums hide the latency of the additions.
    var sums = (SIMD8<Double>.zero, SIMD8<Double>.zero)
    var index = 0
    while index + 16 <= count {
      let (first, second) = (SIMD8<Double>(x.vector(index)), SIMD8<Double>(x.vector(index + 8)))
      sums.0 += first * first
      sums.1 += second * second
      index += 16
    }
    var sum = (sums.0 + sums.1).sum()
    while index < count {
      sum += Double(x[index]) * Double(x[index])
      index += 1
    }
    return sum
  }

  package static func lerp(
    _ low: ElementPointer, _ high: ElementPointer, fraction: Float, into result: ElementPointer, count: Int
  ) {
    switch (low.precision, result.precision) {
    case (.float32, .float32):
      lerp(low.elements(Float.self), high.elements(), fraction, result.elements(Float.self), count)
    case (.float32, .bfloat16):
      lerp(low.elements(Float.self), high.elements(), fraction, result.elements(BFloat16.self), count)
    case (.bfloat16, .float32):
      lerp(low.elements(BFloat16.self), high.elements(), fraction, result.elements(Float.self), count)
    case (.bfloat16, .bfloat16):
      lerp(low.elements(BFloat16.self), high.elements(), fraction, result.elements(BFloat16.self), count)
    }
  }

  @inline(__always)
  private static func lerp<E: Element, F: Element>(
    _ low: Elements<E>, _ high: Elements<E>, _ fraction: Float, _ result: Elements<F>, _ count: Int
  ) {
    for i in stride(from: 0, to: count, by: 8) {
      let value = low.vector(i)
      result.store(fma(fraction, high.vector(i) - value, value), i)
    }
  }

  package static func weightedSum(
    _ source: ElementPointer, step: Int, weights: UnsafePointer<Float>, terms: Int, into result: ElementPointer,
    count: Int
  ) {
    switch (source.precision, result.precision) {
    case (.float32, .float32):
      weightedSum(source.elements(Float.self), step, weights, terms, result.elements(Float.self), count)
    case (.float32, .bfloat16):
      weightedSum(source.elements(Float.self), step, weights, terms, result.elements(BFloat16.self), count)
    case (.bfloat16, .float32):
      weightedSum(source.elements(BFloat16.self), step, weights, terms, result.elements(Float.self), count)
    case (.bfloat16, .bfloat16):
      weightedSum(source.elements(BFloat16.self), step, weights, terms, result.elements(BFloat16.self), count)
    }
  }

  @inline(__always)
  private static func weightedSum<E: Element, F: Element>(
    _ source: Elements<E>, _ step: Int, _ weights: UnsafePointer<Float>, _ terms: Int, _ result: Elements<F>,
    _ count: Int
  ) {
    var offset = 0
    // Two vectors at a time: a whole cache line of each row, because many rows map to the same cache set.
    while offset + 16 <= count {
      var low = Vector.zero
      var high = Vector.zero
      var row = source + offset
      for term in 0..<terms {
        low = fma(weights[term], row.vector(), low)
        high = fma(weights[term], row.vector(8), high)
        row += step
      }
      result.store(low, offset)
      result.store(high, offset + 8)
      offset += 16
    }
    while offset < count {
      var sum = Vector.zero
      var row = source + offset
      for term in 0..<terms {
        sum = fma(weights[term], row.vector(), sum)
        row += step
      }
      result.store(sum, offset)
      offset += 8
    }
  }
}
