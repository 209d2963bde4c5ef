import Microkernels

// A transform of a tile has two steps: along its rows into the workspace, then down its columns. The pair of algorithms
// is a parameter; the usual pair, F(4×4, 3×3), is compiled as a specialization, with constant loop bounds.

/// A map from pixels of a tile to products.
enum TileMap {
  case input, gradient
}

extension WinogradAlgorithm {
  /// Pixels of a tile along the axis that the map takes.
  @inline(__always)
  fileprivate func size(of map: TileMap) -> Int {
    switch map {
    case .input: sizes.inputs
    case .gradient: sizes.outputs
    }
  }

  @inline(__always)
  fileprivate func apply<V: SIMDVector>(_ map: TileMap, _ pixel: (Int) -> V, _ write: (Int, V) -> Void) {
    switch map {
    case .input: input(pixel, write)
    case .gradient: gradient(pixel, write)
    }
  }

  /// Bᵀ: inputs to products.
  @inline(__always)
  fileprivate func input<V: SIMDVector>(_ x: (Int) -> V, _ v: (Int, V) -> Void) {
    switch self {
    case .f1x3: v(0, x(0))
    case .f2x3: F2x3.input(x, v)
    case .f3x3: F3x3.input(x, v)
    case .f4x3: F4x3.input(x, v)
    case .f6x3: F6x3.input(x, v)
    }
  }

  /// Aᵀ: products to outputs.
  @inline(__always)
  fileprivate func output<V: SIMDVector>(_ m: (Int) -> V, _ y: (Int, V) -> Void) {
    switch self {
    case .f1x3: y(0, m(0))
    case .f2x3: F2x3.output(m, y)
    case .f3x3: F3x3.output(m, y)
    case .f4x3: F4x3.output(m, y)
    case .f6x3: F6x3.output(m, y)
    }
  }

  /// A: a gradient of outputs to products.
  @inline(__always)
  fileprivate func gradient<V: SIMDVector>(_ dy: (Int) -> V, _ z: (Int, V) -> Void) {
    switch self {
    case .f1x3: z(0, dy(0))
    case .f2x3: F2x3.gradient(dy, z)
    case .f3x3: F3x3.gradient(dy, z)
    case .f4x3: F4x3.gradient(dy, z)
    case .f6x3: F6x3.gradient(dy, z)
    }
  }

  /// G: three taps to products.
  @inline(__always)
  fileprivate func filter<V: SIMDVector>(_ w0: V, _ w1: V, _ w2: V, _ u: (Int, V) -> Void) {
    switch self {
    case .f1x3: u(0, w1)
    case .f2x3: F2x3.filter(w0, w1, w2, u)
    case .f3x3: F3x3.filter(w0, w1, w2, u)
    case .f4x3: F4x3.filter(w0, w1, w2, u)
    case .f6x3: F6x3.filter(w0, w1, w2, u)
    }
  }

  /// Gᵀ: products to three taps.
  @inline(__always)
  fileprivate func filterGradient<V: SIMDVector>(_ du: (Int) -> V) -> (V, V, V) {
    switch self {
    case .f1x3: (V.zero, du(0), V.zero)
    case .f2x3: F2x3.filterGradient(du)
    case .f3x3: F3x3.filterGradient(du)
    case .f4x3: F4x3.filterGradient(du)
    case .f6x3: F6x3.filterGradient(du)
    }
  }
}

extension Backend {
  /// Vectors of the largest tile.
  static var largestTile: Int { WinogradAlgorithm.largest * WinogradAlgorithm.largest }

  /// The vectors between the two steps, a patch of inputs, and the products of a tile.
  package static var tileWorkspaceCount: Int { 3 * largestTile * NativeVector.scalarCount }

  package static func transformInput(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, workspace: UnsafeMutablePointer<Float>
  ) {
    // F(4×4, 3×3) is specialized.
    switch (patch.start.precision, vertical, horizontal) {
    case (.float32, .f4x3, .f4x3): transform(.input, patch, Float.self, channels, .f4x3, .f4x3, target, workspace)
    case (.float32, _, _): transform(.input, patch, Float.self, channels, vertical, horizontal, target, workspace)
    case (.bfloat16, .f4x3, .f4x3): transform(.input, patch, BFloat16.self, channels, .f4x3, .f4x3, target, workspace)
    case (.bfloat16, _, _): transform(.input, patch, BFloat16.self, channels, vertical, horizontal, target, workspace)
    }
  }

  package static func transformGradient(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, workspace: UnsafeMutablePointer<Float>
  ) {
    switch (patch.start.precision, vertical, horizontal) {
    case (.float32, .f4x3, .f4x3): transform(.gradient, patch, Float.self, channels, .f4x3, .f4x3, target, workspace)
    case (.float32, _, _): transform(.gradient, patch, Float.self, channels, vertical, horizontal, target, workspace)
    case (.bfloat16, .f4x3, .f4x3):
      transform(.gradient, patch, BFloat16.self, channels, .f4x3, .f4x3, target, workspace)
    case (.bfloat16, _, _):
      transform(.gradient, patch, BFloat16.self, channels, vertical, horizontal, target, workspace)
    }
  }

  package static func transformOutput(
    _ products: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to patch: TilePatch, channels: Int, epilogue: EpiloguePointers?, workspace: UnsafeMutablePointer<Float>
  ) {
    switch (patch.start.precision, vertical, horizontal) {
    case (.float32, .f4x3, .f4x3):
      output(products, product, .f4x3, .f4x3, patch, Float.self, channels, epilogue, workspace)
    case (.float32, _, _):
      output(products, product, vertical, horizontal, patch, Float.self, channels, epilogue, workspace)
    case (.bfloat16, .f4x3, .f4x3):
      output(products, product, .f4x3, .f4x3, patch, BFloat16.self, channels, epilogue, workspace)
    case (.bfloat16, _, _):
      output(products, product, vertical, horizontal, patch, BFloat16.self, channels, epilogue, workspace)
    }
  }

  @inline(__always)
  private static func transform<E: Element>(
    _ map: TileMap, _ patch: TilePatch, _: E.Type, _ channels: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, _ target: TileLayout, _ workspace: UnsafeMutablePointer<Float>
  ) {
    @inline(__always)
    func transform<V: SIMDVector>(_ channel: Int, _ to: UnsafeMutablePointer<Float>, _: V.Type) {
      Backend.transform(map, patch, E.self, channel, vertical, horizontal, workspace) { (product, value: V) in
        value.store(to: to + product * target.product, nonTemporal: target.nonTemporal)
      }
    }
    forEachChannelVector(channels, target) {
      transform($0, $1, NativeVector.self)
    } eight: {
      transform($0, $1, Vector.self)
    }
  }

  /// Calls `native` or `eight` with each vector of channels and the place it is written to.
  @inline(__always)
  static func forEachChannelVector(
    _ channels: Int, _ target: TileLayout, native: (_ channel: Int, _ to: UnsafeMutablePointer<Float>) -> Void,
    eight: (_ channel: Int, _ to: UnsafeMutablePointer<Float>) -> Void
  ) {
    var channel = 0
    var panel = target.start
    while channel < channels {
      let width = min(target.width, channels - channel)
      let first = channel
      forEachVector(in: width, native: { native(first + $0, panel + $0) }, eight: { eight(first + $0, panel + $0) })
      channel += width
      panel += target.panel
    }
  }

  /// Both steps for one vector of channels: along the rows into `half`, and down the columns to `write`, which receives
  /// each product.
  @inline(__always)
  static func transform<E: Element, V: SIMDVector>(
    _ map: TileMap, _ patch: TilePatch, _: E.Type, _ channel: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, _ half: UnsafeMutablePointer<Float>, _ write: (_ product: Int, V) -> Void
  ) {
    let (height, width) = (vertical.size(of: map), horizontal.size(of: map))
    let wide = horizontal.sizes.products
    let lanes = V.scalarCount
    let start: Elements<E> = patch.start.elements()
    if patch.rows.count == height && patch.columns.count == width {
      for row in 0..<height {
        let source = start + (row * patch.row + channel)
        horizontal.apply(map, { source.load($0 * patch.column) }) { (product, value: V) in
          half.store(value, (row * wide + product) * lanes)
        }
      }
    } else {
      let gathered = half + largestTile * lanes
      for index in 0..<(height * width) { gathered.store(V.zero, index * lanes) }
      for row in patch.rows {
        for column in patch.columns {
          let pixel: V = start.load(row * patch.row + column * patch.column + channel)
          gathered.store(pixel, (row * width + column) * lanes)
        }
      }
      for row in 0..<height {
        horizontal.apply(map, { gathered.load((row * width + $0) * lanes) }) { (product, value: V) in
          half.store(value, (row * wide + product) * lanes)
        }
      }
    }
    for column in 0..<wide {
      vertical.apply(map, { half.load(($0 * wide + column) * lanes) }) { (product, value: V) in
        write(product * wide + column, value)
      }
    }
  }

  @inline(__always)
  private static func output<E: Element>(
    _ products: UnsafePointer<Float>, _ product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ patch: TilePatch, _: E.Type, _ channels: Int, _ epilogue: EpiloguePointers?, _ half: UnsafeMutablePointer<Float>
  ) {
    let wide = horizontal.sizes.products
    let columns = patch.columns.upperBound
    let start: Elements<E> = patch.start.elements()
    @inline(__always)
    func transform<V: SIMDVector>(_ channel: Int, _: V.Type) {
      let lanes = V.scalarCount
      for column in 0..<wide {
        let source = products + column * product + channel
        vertical.output({ source.load($0 * wide * product) }) { (row, value: V) in
          half.store(value, (row * wide + column) * lanes)
        }
      }
      if let epilogue {
        let residual: Elements<E>? = epilogue.residual?.elements()
        for row in patch.rows {
          let place = row * patch.row + channel
          let bias: V = epilogue.bias.map { $0.load(channel) } ?? V.zero
          horizontal.output({ half.load((row * wide + $0) * lanes) }) { (column, value: V) in
            guard column < columns else { return }
            var value = value + bias
            if let residual { value += residual.load(place + column * patch.column) as V }
            if epilogue.relu { value = value.relu }
            start.store(value, place + column * patch.column, nonTemporal: patch.nonTemporal)
          }
        }
      } else {
        for row in patch.rows {
          let target = start + (row * patch.row + channel)
          horizontal.output({ half.load((row * wide + $0) * lanes) }) { (column, value: V) in
            if column < columns { target.store(value, column * patch.column, nonTemporal: patch.nonTemporal) }
          }
        }
      }
    }
    forEachVector(in: channels, native: { transform($0, NativeVector.self) }, eight: { transform($0, Vector.self) })
  }

  package static func transformFilter(
    _ taps: UnsafePointer<Float>, tap: Int, width: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, to target: UnsafeMutablePointer<Float>, product: Int, nonTemporal: Bool,
    workspace: UnsafeMutablePointer<Float>
  ) {
    @inline(__always)
    func transform<V: SIMDVector>(_ output: Int, _: V.Type) {
      transformFilter(taps + output, tap, vertical, horizontal, workspace) { (index, value: V) in
        value.store(to: target + index * product + output, nonTemporal: nonTemporal)
      }
    }
    forEachVector(in: width, native: { transform($0, NativeVector.self) }, eight: { transform($0, Vector.self) })
  }

  /// Both steps for one vector of outputs: down the columns of the taps, and along the rows to `write`, which receives each
  /// product.
  @inline(__always)
  static func transformFilter<V: SIMDVector>(
    _ taps: UnsafePointer<Float>, _ tap: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ workspace: UnsafeMutablePointer<Float>, _ write: (_ product: Int, V) -> Void
  ) {
    let (tall, wide) = (vertical.sizes.products, horizontal.sizes.products)
    let lanes = V.scalarCount
    for column in 0..<3 {
      let source = taps + column * tap
      vertical.filter(source.load() as V, source.load(3 * tap), source.load(6 * tap)) {
        workspace.store($1, ($0 * 3 + column) * lanes)
      }
    }
    for row in 0..<tall {
      let half = workspace + row * 3 * lanes
      horizontal.filter(half.load() as V, half.load(lanes), half.load(2 * lanes)) { write(row * wide + $0, $1) }
    }
  }

  package static func transformFilterGradient(
    _ du: UnsafePointer<Float>, product: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to taps: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
  ) {
    let (tall, wide) = (vertical.sizes.products, horizontal.sizes.products)
    for row in 0..<tall {
      let source = du + row * wide * product
      let sums: (Vector, Vector, Vector) = horizontal.filterGradient { source.load($0 * product) }
      workspace.store(sums.0, row * 24)
      workspace.store(sums.1, row * 24 + 8)
      workspace.store(sums.2, row * 24 + 16)
    }
    for column in 0..<3 {
      let half = workspace + column * 8
      let sums: (Vector, Vector, Vector) = vertical.filterGradient { half.load($0 * 24) }
      taps.store(sums.0, column * 8)
      taps.store(sums.1, column * 8 + 24)
      taps.store(sums.2, column * 8 + 48)
    }
  }
}
