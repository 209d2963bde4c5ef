import Microkernels

extension Backend {
  package static func add(_ summand: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, count: Int) {
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

  package static func relu(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int) {
    for i in stride(from: 0, to: count, by: 8) { y.store(x.vector(i).relu, i) }
  }

  package static func reluGradient(
    _ dy: UnsafePointer<Float>, where y: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in stride(from: 0, to: count, by: 8) {
      dx.store(dy.vector(i).replacing(with: 0, where: y.vector(i) .<= 0), i)
    }
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
    _ low: UnsafePointer<Float>, _ high: UnsafePointer<Float>, fraction: Float,
    into result: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in stride(from: 0, to: count, by: 8) {
      let value = low.vector(i)
      result.store(fma(fraction, high.vector(i) - value, value), i)
    }
  }

  package static func weightedSum(
    _ source: UnsafePointer<Float>, step: Int, weights: UnsafePointer<Float>, terms: Int,
    into result: UnsafeMutablePointer<Float>, count: Int
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
