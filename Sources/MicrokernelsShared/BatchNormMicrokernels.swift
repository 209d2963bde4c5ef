import Microkernels

extension Backend {
  package static func addDeviations(
    _ values: UnsafePointer<Float>, rows: Int, width: Int, from pivot: UnsafePointer<Float>,
    to sum: UnsafeMutablePointer<Float>, _ squares: UnsafeMutablePointer<Float>
  ) {
    var row = values
    // Four rows at a time, so that sums are loaded and stored once for four values.
    for _ in 0..<rows / 4 {
      for c in stride(from: 0, to: width, by: 8) {
        let p = pivot.vector(c)
        let d0 = row.vector(c) - p
        let d1 = row.vector(width + c) - p
        let d2 = row.vector(2 * width + c) - p
        let d3 = row.vector(3 * width + c) - p
        sum.store(sum.vector(c) + ((d0 + d1) + (d2 + d3)), c)
        let s = fma(d0, d0, fma(d1, d1, fma(d2, d2, d3 * d3)))
        squares.store(squares.vector(c) + s, c)
      }
      row += 4 * width
    }
    for _ in 0..<rows % 4 {
      for c in stride(from: 0, to: width, by: 8) {
        let d = row.vector(c) - pivot.vector(c)
        sum.store(sum.vector(c) + d, c)
        squares.store(fma(d, d, squares.vector(c)), c)
      }
      row += width
    }
  }

  package static func normalize(
    _ z: UnsafePointer<Float>, rows: Int, width: Int, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    residual: UnsafePointer<Float>?, relu: Bool, into y: UnsafeMutablePointer<Float>, nonTemporal: Bool
  ) {
    @inline(__always)
    func forEachResult<V: SIMDVector>(_ write: (V, _ i: Int) -> Void) {
      for row in 0..<rows {
        for c in stride(from: 0, to: width, by: V.scalarCount) {
          let i = row * width + c
          var value: V = fma(z.load(i), scale.load(c), shift.load(c))
          if let residual { value += residual.load(i) as V }
          write(relu ? value.relu : value, i)
        }
      }
    }
    if nonTemporal && width % NativeVector.scalarCount == 0 {
      forEachResult { (value: NativeVector, i) in value.storeNonTemporal(to: y + i) }
    } else {
      forEachResult { (value: Vector, i) in y.store(value, i) }
    }
  }

  package static func addBatchNormGradientSums(
    _ dy: UnsafePointer<Float>, _ z: UnsafePointer<Float>, rows: Int, width: Int, _ channels: NormalizerPointers,
    mask: ReLUMask<UnsafePointer<Float>>, masked target: UnsafeMutablePointer<Float>?,
    to sum: UnsafeMutablePointer<Float>, _ product: UnsafeMutablePointer<Float>
  ) {
    let mean = channels.mean
    @inline(__always)
    func add(_ gradient: (_ i: Int, _ c: Int, _ z: Vector) -> Vector) {
      for row in 0..<rows {
        for c in stride(from: 0, to: width, by: 8) {
          let z = z.vector(row * width + c)
          let g = gradient(row * width + c, c, z)
          sum.store(sum.vector(c) + g, c)
          product.store(fma(g, z - mean.vector(c), product.vector(c)), c)
        }
      }
    }
    switch mask {
    case .none: add { i, _, _ in dy.vector(i) }
    case .recomputed: add { i, c, z in masked(dy.vector(i), z, c, channels) }
    case .output(let y):
      if let target {
        add { i, _, _ in
          let g = dy.vector(i).replacing(with: 0, where: y.vector(i) .<= 0)
          target.store(g, i)
          return g
        }
      } else {
        add { i, _, _ in dy.vector(i).replacing(with: 0, where: y.vector(i) .<= 0) }
      }
    }
  }

  package static func batchNormInputGradient(
    _ dy: UnsafePointer<Float>, _ z: UnsafePointer<Float>, rows: Int, width: Int, _ channels: NormalizerPointers,
    slope: UnsafePointer<Float>, offset: UnsafePointer<Float>, mask: ReLUMask<UnsafePointer<Float>>,
    into dz: UnsafeMutablePointer<Float>
  ) {
    let (scale, mean) = (channels.scale, channels.mean)
    @inline(__always)
    func write(_ gradient: (_ i: Int, _ c: Int, _ z: Vector) -> Vector) {
      for row in 0..<rows {
        for c in stride(from: 0, to: width, by: 8) {
          let i = row * width + c
          let z = z.vector(i)
          let tilt = fma(z - mean.vector(c), slope.vector(c), offset.vector(c))
          dz.store(fma(gradient(i, c, z), scale.vector(c), tilt), i)
        }
      }
    }
    switch mask {
    case .none: write { i, _, _ in dy.vector(i) }
    case .recomputed: write { i, c, z in masked(dy.vector(i), z, c, channels) }
    case .output(let y): write { i, _, _ in dy.vector(i).replacing(with: 0, where: y.vector(i) .<= 0) }
    }
  }

  /// The gradient where `z · scale + shift` is positive, else zero.
  @inline(__always)
  private static func masked(_ g: Vector, _ z: Vector, _ c: Int, _ channels: NormalizerPointers) -> Vector {
    g.replacing(with: 0, where: fma(z, channels.scale.vector(c), channels.shift.vector(c)) .<= 0)
  }
}
