import Microkernels

// Floats are processed in vectors of eight, which is as fast as memory; bfloat16 numbers in the widest vectors, because
// their conversion takes longer than reading them.

extension Backend {
  package static func addDeviations(
    _ values: ElementPointer, rows: Int, width: Int, from pivot: UnsafePointer<Float>,
    to sum: UnsafeMutablePointer<Float>, _ squares: UnsafeMutablePointer<Float>
  ) {
    switch (values.precision, width % NativeVector.scalarCount) {
    case (.float32, _): addDeviations(values.elements(Float.self), rows, width, pivot, sum, squares, Vector.self)
    case (.bfloat16, 0):
      addDeviations(values.elements(BFloat16.self), rows, width, pivot, sum, squares, NativeVector.self)
    case (.bfloat16, _): addDeviations(values.elements(BFloat16.self), rows, width, pivot, sum, squares, Vector.self)
    }
  }

  @inline(__always)
  private static func addDeviations<E: Element, V: SIMDVector>(
    _ values: Elements<E>, _ rows: Int, _ width: Int, _ pivot: UnsafePointer<Float>,
    _ sum: UnsafeMutablePointer<Float>, _ squares: UnsafeMutablePointer<Float>, _: V.Type
  ) {
    var row = values
    // Four rows at a time, so that sums are loaded and stored once for four values.
    for _ in 0..<rows / 4 {
      for c in stride(from: 0, to: width, by: V.scalarCount) {
        let p: V = pivot.load(c)
        let d0 = row.load(c) - p
        let d1 = row.load(width + c) - p
        let d2 = row.load(2 * width + c) - p
        let d3 = row.load(3 * width + c) - p
        sum.store(sum.load(c) + ((d0 + d1) + (d2 + d3)), c)
        let s = fma(d0, d0, fma(d1, d1, fma(d2, d2, d3 * d3)))
        squares.store(squares.load(c) + s, c)
      }
      row += 4 * width
    }
    for _ in 0..<rows % 4 {
      for c in stride(from: 0, to: width, by: V.scalarCount) {
        let d: V = row.load(c) - pivot.load(c)
        sum.store(sum.load(c) + d, c)
        squares.store(fma(d, d, squares.load(c)), c)
      }
      row += width
    }
  }

  package static func normalize(
    _ z: ElementPointer, rows: Int, width: Int, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    residual: ElementPointer?, relu: Bool, into y: ElementPointer, nonTemporal: Bool
  ) {
    let wide = width % NativeVector.scalarCount == 0
    switch z.precision {
    case .float32:
      let (z, y): (Elements<Float>, Elements<Float>) = (z.elements(), y.elements())
      if nonTemporal && wide {
        normalize(z, rows, width, scale, shift, residual?.elements(), relu) { (value: NativeVector, i) in
          value.storeNonTemporal(to: y.address.assumingMemoryBound(to: Float.self) + i)
        }
      } else {
        normalize(z, rows, width, scale, shift, residual?.elements(), relu) { (value: Vector, i) in y.store(value, i) }
      }
    case .bfloat16:
      let (z, y): (Elements<BFloat16>, Elements<BFloat16>) = (z.elements(), y.elements())
      if wide {
        normalize(z, rows, width, scale, shift, residual?.elements(), relu) { (value: NativeVector, i) in
          y.store(value, i)
        }
      } else {
        normalize(z, rows, width, scale, shift, residual?.elements(), relu) { (value: Vector, i) in y.store(value, i) }
      }
    }
  }

  @inline(__always)
  private static func normalize<E: Element, V: SIMDVector>(
    _ z: Elements<E>, _ rows: Int, _ width: Int, _ scale: UnsafePointer<Float>, _ shift: UnsafePointer<Float>,
    _ residual: Elements<E>?, _ relu: Bool, _ write: (V, _ i: Int) -> Void
  ) {
    for row in 0..<rows {
      for c in stride(from: 0, to: width, by: V.scalarCount) {
        let i = row * width + c
        var value: V = fma(z.load(i), scale.load(c), shift.load(c))
        if let residual { value += residual.load(i) as V }
        write(relu ? value.relu : value, i)
      }
    }
  }

  package static func addBatchNormGradientSums(
    _ dy: ElementPointer, _ z: ElementPointer, rows: Int, width: Int, _ channels: NormalizerPointers,
    mask: ReLUMask<ElementPointer>, masked target: ElementPointer?,
    to sum: UnsafeMutablePointer<Float>, _ product: UnsafeMutablePointer<Float>
  ) {
    switch (z.precision, width % NativeVector.scalarCount) {
    case (.float32, _):
      addBatchNormGradientSums(
        dy.elements(Float.self), z.elements(), rows, width, channels, mask.map { $0.elements() }, target?.elements(),
        sum,
        product, Vector.self)
    case (.bfloat16, 0):
      addBatchNormGradientSums(
        dy.elements(BFloat16.self), z.elements(), rows, width, channels, mask.map { $0.elements() }, target?.elements(),
        sum, product, NativeVector.self)
    case (.bfloat16, _):
      addBatchNormGradientSums(
        dy.elements(BFloat16.self), z.elements(), rows, width, channels, mask.map { $0.elements() }, target?.elements(),
        sum, product, Vector.self)
    }
  }

  @inline(__always)
  private static func addBatchNormGradientSums<E: Element, V: SIMDVector>(
    _ dy: Elements<E>, _ z: Elements<E>, _ rows: Int, _ width: Int, _ channels: NormalizerPointers,
    _ mask: ReLUMask<Elements<E>>, _ target: Elements<E>?, _ sum: UnsafeMutablePointer<Float>,
    _ product: UnsafeMutablePointer<Float>, _: V.Type
  ) {
    let mean = channels.mean
    @inline(__always)
    func add(_ gradient: (_ i: Int, _ c: Int, _ z: V) -> V) {
      for row in 0..<rows {
        for c in stride(from: 0, to: width, by: V.scalarCount) {
          let z: V = z.load(row * width + c)
          let g = gradient(row * width + c, c, z)
          sum.store(sum.load(c) + g, c)
          product.store(fma(g, z - mean.load(c), product.load(c)), c)
        }
      }
    }
    switch mask {
    case .none: add { i, _, _ in dy.load(i) }
    case .recomputed: add { i, c, z in masked(dy.load(i), z, c, channels) }
    case .output(let y):
      if let target {
        add { i, _, _ in
          let g = (dy.load(i) as V).zeroed(whereNotPositive: y.load(i))
          target.store(g, i)
          return g
        }
      } else {
        add { i, _, _ in (dy.load(i) as V).zeroed(whereNotPositive: y.load(i)) }
      }
    }
  }

  package static func batchNormInputGradient(
    _ dy: ElementPointer, _ z: ElementPointer, rows: Int, width: Int, _ channels: NormalizerPointers,
    slope: UnsafePointer<Float>, offset: UnsafePointer<Float>, mask: ReLUMask<ElementPointer>, into dz: ElementPointer
  ) {
    switch (z.precision, width % NativeVector.scalarCount) {
    case (.float32, _):
      batchNormInputGradient(
        dy.elements(Float.self), z.elements(), rows, width, channels, slope, offset, mask.map { $0.elements() },
        dz.elements(), Vector.self)
    case (.bfloat16, 0):
      batchNormInputGradient(
        dy.elements(BFloat16.self), z.elements(), rows, width, channels, slope, offset, mask.map { $0.elements() },
        dz.elements(), NativeVector.self)
    case (.bfloat16, _):
      batchNormInputGradient(
        dy.elements(BFloat16.self), z.elements(), rows, width, channels, slope, offset, mask.map { $0.elements() },
        dz.elements(), Vector.self)
    }
  }

  @inline(__always)
  private static func batchNormInputGradient<E: Element, V: SIMDVector>(
    _ dy: Elements<E>, _ z: Elements<E>, _ rows: Int, _ width: Int, _ channels: NormalizerPointers,
    _ slope: UnsafePointer<Float>, _ offset: UnsafePointer<Float>, _ mask: ReLUMask<Elements<E>>, _ dz: Elements<E>,
    _: V.Type
  ) {
    let (scale, mean) = (channels.scale, channels.mean)
    @inline(__always)
    func write(_ gradient: (_ i: Int, _ c: Int, _ z: V) -> V) {
      for row in 0..<rows {
        for c in stride(from: 0, to: width, by: V.scalarCount) {
          let i = row * width + c
          let z: V = z.load(i)
          let tilt = fma(z - mean.load(c), slope.load(c), offset.load(c))
          dz.store(fma(gradient(i, c, z), scale.load(c), tilt), i)
        }
      }
    }
    switch mask {
    case .none: write { i, _, _ in dy.load(i) }
    case .recomputed: write { i, c, z in masked(dy.load(i), z, c, channels) }
    case .output(let y): write { i, _, _ in (dy.load(i) as V).zeroed(whereNotPositive: y.load(i)) }
    }
  }

  /// The gradient where `z · scale + shift` is positive, else zero.
  @inline(__always)
  private static func masked<V: SIMDVector>(_ g: V, _ z: V, _ c: Int, _ channels: NormalizerPointers) -> V {
    g.zeroed(whereNotPositive: fma(z, channels.scale.load(c), channels.shift.load(c)))
  }
}
