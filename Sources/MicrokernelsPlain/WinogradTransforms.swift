import Microkernels

// Both steps of a transform: first along the rows of a tile into `scratch`, then down its columns.

extension WinogradAlgorithm {
  /// What loops must know when they are compiled: inputs, outputs and products.
  @inline(__always)
  fileprivate var sizes: (inputs: Int, outputs: Int, products: Int) {
    switch self {
    case .one: (1, 1, 1)
    case .two: (2, 2, 3)
    case .three: (3, 3, 4)
    case .four: (6, 4, 6)
    case .six: (8, 6, 8)
    }
  }

  /// Bᵀ: inputs to products.
  @inline(__always)
  fileprivate func input<V: Lanes>(_ x: (Int) -> V, _ v: (Int, V) -> Void) {
    switch self {
    case .one: v(0, x(0))
    case .two: F2x3.input(x, v)
    case .three: F3x3.input(x, v)
    case .four: F4x3.input(x, v)
    case .six: F6x3.input(x, v)
    }
  }

  /// Aᵀ: products to outputs.
  @inline(__always)
  fileprivate func output<V: Lanes>(_ m: (Int) -> V, _ y: (Int, V) -> Void) {
    switch self {
    case .one: y(0, m(0))
    case .two: F2x3.output(m, y)
    case .three: F3x3.output(m, y)
    case .four: F4x3.output(m, y)
    case .six: F6x3.output(m, y)
    }
  }

  /// A: a gradient of outputs to products.
  @inline(__always)
  fileprivate func gradient<V: Lanes>(_ dy: (Int) -> V, _ z: (Int, V) -> Void) {
    switch self {
    case .one: z(0, dy(0))
    case .two: F2x3.gradient(dy, z)
    case .three: F3x3.gradient(dy, z)
    case .four: F4x3.gradient(dy, z)
    case .six: F6x3.gradient(dy, z)
    }
  }

  /// G: three taps to products.
  @inline(__always)
  fileprivate func filter<V: Lanes>(_ w0: V, _ w1: V, _ w2: V, _ u: (Int, V) -> Void) {
    switch self {
    case .one: u(0, w1)
    case .two: F2x3.filter(w0, w1, w2, u)
    case .three: F3x3.filter(w0, w1, w2, u)
    case .four: F4x3.filter(w0, w1, w2, u)
    case .six: F6x3.filter(w0, w1, w2, u)
    }
  }

  /// Gᵀ: products to three taps.
  @inline(__always)
  fileprivate func filterGradient<V: Lanes>(_ du: (Int) -> V) -> (V, V, V) {
    switch self {
    case .one: (V.zero, du(0), V.zero)
    case .two: F2x3.filterGradient(du)
    case .three: F3x3.filterGradient(du)
    case .four: F4x3.filterGradient(du)
    case .six: F6x3.filterGradient(du)
    }
  }
}

/// The largest number of inputs or products of any algorithm.
private let largest = 8

extension Backend {
  /// A patch of inputs and half-transformed vectors.
  package static var tileScratch: Int { 2 * largest * largest * Wide.scalarCount }

  package static func transformInput(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, scratch: UnsafeMutablePointer<Float>
  ) {
    // The usual pair is compiled in one piece.
    if case .four = vertical, case .four = horizontal {
      input(patch, channels, .four, .four, target, scratch)
    } else {
      input(patch, channels, vertical, horizontal, target, scratch)
    }
  }

  package static func transformGradient(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, scratch: UnsafeMutablePointer<Float>
  ) {
    if case .four = vertical, case .four = horizontal {
      gradient(patch, channels, .four, .four, target, scratch)
    } else {
      gradient(patch, channels, vertical, horizontal, target, scratch)
    }
  }

  package static func transformOutput(
    _ products: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to patch: TilePatch, channels: Int, finish: Finish?, scratch: UnsafeMutablePointer<Float>
  ) {
    if case .four = vertical, case .four = horizontal {
      output(products, product, .four, .four, patch, channels, finish, scratch)
    } else {
      output(products, product, vertical, horizontal, patch, channels, finish, scratch)
    }
  }

  @inline(__always)
  private static func input(
    _ patch: TilePatch, _ channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ target: TileLayout, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (tall, wide) = (vertical.sizes, horizontal.sizes)
    let whole = patch.rows.count == tall.inputs && patch.columns.count == wide.inputs
    @inline(__always)
    func transform<V: Lanes>(_ channel: Int, _ to: UnsafeMutablePointer<Float>, _: V.Type) {
      both(
        patch, channel, whole, height: tall.inputs, tall: tall.products, width: wide.inputs, wide: wide.products,
        to, target, scratch, V.self, along: { horizontal.input($0, $1) }, down: { vertical.input($0, $1) })
    }
    overPanels(channels, target) {
      transform($0, $1, Wide.self)
    } eight: {
      transform($0, $1, Vector.self)
    }
  }

  @inline(__always)
  private static func gradient(
    _ patch: TilePatch, _ channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ target: TileLayout, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (tall, wide) = (vertical.sizes, horizontal.sizes)
    let whole = patch.rows.count == tall.outputs && patch.columns.count == wide.outputs
    @inline(__always)
    func transform<V: Lanes>(_ channel: Int, _ to: UnsafeMutablePointer<Float>, _: V.Type) {
      both(
        patch, channel, whole, height: tall.outputs, tall: tall.products, width: wide.outputs, wide: wide.products,
        to, target, scratch, V.self, along: { horizontal.gradient($0, $1) },
        down: { vertical.gradient($0, $1) })
    }
    overPanels(channels, target) {
      transform($0, $1, Wide.self)
    } eight: {
      transform($0, $1, Vector.self)
    }
  }

  /// Calls with each vector of channels and the place it goes to.
  @inline(__always)
  private static func overPanels(
    _ channels: Int, _ target: TileLayout, wide: (_ channel: Int, _ to: UnsafeMutablePointer<Float>) -> Void,
    eight: (_ channel: Int, _ to: UnsafeMutablePointer<Float>) -> Void
  ) {
    var channel = 0
    var panel = target.start
    while channel < channels {
      let width = min(target.width, channels - channel)
      let first = channel
      overVectors(width, wide: { wide(first + $0, panel + $0) }, eight: { eight(first + $0, panel + $0) })
      channel += width
      panel += target.panel
    }
  }

  @inline(__always)
  private static func both<V: Lanes>(
    _ patch: TilePatch, _ channel: Int, _ whole: Bool, height: Int, tall: Int, width: Int, wide: Int,
    _ target: UnsafeMutablePointer<Float>, _ layout: TileLayout, _ half: UnsafeMutablePointer<Float>, _: V.Type,
    along: ((Int) -> V, (Int, V) -> Void) -> Void, down: ((Int) -> V, (Int, V) -> Void) -> Void
  ) {
    let lanes = V.scalarCount
    if whole {
      for row in 0..<height {
        let source = patch.start + row * patch.row + channel
        along({ source.load($0 * patch.column) }, { half.store($1, (row * wide + $0) * lanes) })
      }
    } else {
      let gathered = half + largest * largest * lanes
      for index in 0..<(height * width) { gathered.store(V.zero, index * lanes) }
      for row in patch.rows {
        for column in patch.columns {
          let pixel: V = patch.start.load(row * patch.row + column * patch.column + channel)
          gathered.store(pixel, (row * width + column) * lanes)
        }
      }
      for row in 0..<height {
        along(
          { gathered.load((row * width + $0) * lanes) }, { half.store($1, (row * wide + $0) * lanes) })
      }
    }
    for column in 0..<wide {
      down({ half.load(($0 * wide + column) * lanes) }) {
        $1.write(to: target + ($0 * wide + column) * layout.product, streaming: layout.streaming)
      }
    }
  }

  @inline(__always)
  private static func output(
    _ products: UnsafePointer<Float>, _ product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ patch: TilePatch, _ channels: Int, _ finish: Finish?, _ half: UnsafeMutablePointer<Float>
  ) {
    let wide = horizontal.sizes.products
    let columns = patch.columns.upperBound
    @inline(__always)
    func transform<V: Lanes>(_ channel: Int, _: V.Type) {
      let lanes = V.scalarCount
      for column in 0..<wide {
        let source = products + column * product + channel
        vertical.output({ source.load($0 * wide * product) }) { (row, value: V) in
          half.store(value, (row * wide + column) * lanes)
        }
      }
      if let finish {
        for row in patch.rows {
          let place = row * patch.row + channel
          let bias: V = finish.bias.map { $0.load(channel) } ?? V.zero
          horizontal.output({ half.load((row * wide + $0) * lanes) }) { (column, value: V) in
            guard column < columns else { return }
            var value = value + bias
            if let residual = finish.residual { value += residual.load(place + column * patch.column) as V }
            if finish.relu { value = value.rectified }
            value.write(to: patch.start + place + column * patch.column, streaming: patch.streaming)
          }
        }
      } else {
        for row in patch.rows {
          let target = patch.start + row * patch.row + channel
          horizontal.output({ half.load((row * wide + $0) * lanes) }) { (column, value: V) in
            if column < columns { value.write(to: target + column * patch.column, streaming: patch.streaming) }
          }
        }
      }
    }
    overVectors(channels, wide: { transform($0, Wide.self) }, eight: { transform($0, Vector.self) })
  }

  package static func transformFilter(
    _ taps: UnsafePointer<Float>, tap: Int, width: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, to target: UnsafeMutablePointer<Float>, product: Int, streaming: Bool,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let (tall, wide) = (vertical.sizes.products, horizontal.sizes.products)
    @inline(__always)
    func transform<V: Lanes>(_ output: Int, _: V.Type) {
      let lanes = V.scalarCount
      for column in 0..<3 {
        let source = taps + column * tap + output
        vertical.filter(source.load() as V, source.load(3 * tap), source.load(6 * tap)) {
          scratch.store($1, ($0 * 3 + column) * lanes)
        }
      }
      for row in 0..<tall {
        let half = scratch + row * 3 * lanes
        horizontal.filter(half.load() as V, half.load(lanes), half.load(2 * lanes)) {
          $1.write(to: target + (row * wide + $0) * product + output, streaming: streaming)
        }
      }
    }
    overVectors(width, wide: { transform($0, Wide.self) }, eight: { transform($0, Vector.self) })
  }

  package static func transformFilterGradient(
    _ du: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to taps: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let (tall, wide) = (vertical.sizes.products, horizontal.sizes.products)
    for row in 0..<tall {
      let source = du + row * wide * product
      let sums: (Vector, Vector, Vector) = horizontal.filterGradient { source.load($0 * product) }
      scratch.store(sums.0, row * 24)
      scratch.store(sums.1, row * 24 + 8)
      scratch.store(sums.2, row * 24 + 16)
    }
    for column in 0..<3 {
      let half = scratch + column * 8
      let sums: (Vector, Vector, Vector) = vertical.filterGradient { half.load($0 * 24) }
      taps.store(sums.0, column * 8)
      taps.store(sums.1, column * 8 + 24)
      taps.store(sums.2, column * 8 + 48)
    }
  }
}
