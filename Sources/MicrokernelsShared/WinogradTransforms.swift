import Microkernels

// A transform of a tile has two steps: along its rows into the workspace, then down its columns. The pair of algorithms
// is a parameter; the usual pair, F(4×4, 3×3), is compiled as a specialization, with constant loop bounds.

extension WinogradAlgorithm {
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
  private static var largest: Int { WinogradAlgorithm.largest }

  /// A patch of inputs, and the vectors between the two steps.
  package static var tileWorkspaceCount: Int { 2 * largest * largest * NativeVector.scalarCount }

  package static func transformInput(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, workspace: UnsafeMutablePointer<Float>
  ) {
    // F(4×4, 3×3) is specialized.
    switch (patch.start.precision, vertical, horizontal) {
    case (.float32, .f4x3, .f4x3): input(patch, Float.self, channels, .f4x3, .f4x3, target, workspace)
    case (.float32, _, _): input(patch, Float.self, channels, vertical, horizontal, target, workspace)
    case (.bfloat16, .f4x3, .f4x3): input(patch, BFloat16.self, channels, .f4x3, .f4x3, target, workspace)
    case (.bfloat16, _, _): input(patch, BFloat16.self, channels, vertical, horizontal, target, workspace)
    }
  }

  package static func transformGradient(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: TileLayout, workspace: UnsafeMutablePointer<Float>
  ) {
    switch (patch.start.precision, vertical, horizontal) {
    case (.float32, .f4x3, .f4x3): gradient(patch, Float.self, channels, .f4x3, .f4x3, target, workspace)
    case (.float32, _, _): gradient(patch, Float.self, channels, vertical, horizontal, target, workspace)
    case (.bfloat16, .f4x3, .f4x3): gradient(patch, BFloat16.self, channels, .f4x3, .f4x3, target, workspace)
    case (.bfloat16, _, _): gradient(patch, BFloat16.self, channels, vertical, horizontal, target, workspace)
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
  private static func input<E: Element>(
    _ patch: TilePatch, _: E.Type, _ channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ target: TileLayout, _ workspace: UnsafeMutablePointer<Float>
  ) {
    let (tall, wide) = (vertical.sizes, horizontal.sizes)
    let whole = patch.rows.count == tall.inputs && patch.columns.count == wide.inputs
    @inline(__always)
    func transform<V: SIMDVector>(_ channel: Int, _ to: UnsafeMutablePointer<Float>, _: V.Type) {
      Backend.transform(
        patch, E.self, channel, whole, height: tall.inputs, width: wide.inputs, wide: wide.products,
        to, target, workspace, V.self, along: { horizontal.input($0, $1) }, down: { vertical.input($0, $1) })
    }
    forEachChannelVector(channels, target) {
      transform($0, $1, NativeVector.self)
    } eight: {
      transform($0, $1, Vector.self)
    }
  }

  @inline(__always)
  private static func gradient<E: Element>(
    _ patch: TilePatch, _: E.Type, _ channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ target: TileLayout, _ workspace: UnsafeMutablePointer<Float>
  ) {
    let (tall, wide) = (vertical.sizes, horizontal.sizes)
    let whole = patch.rows.count == tall.outputs && patch.columns.count == wide.outputs
    @inline(__always)
    func transform<V: SIMDVector>(_ channel: Int, _ to: UnsafeMutablePointer<Float>, _: V.Type) {
      Backend.transform(
        patch, E.self, channel, whole, height: tall.outputs, width: wide.outputs, wide: wide.products,
        to, target, workspace, V.self, along: { horizontal.gradient($0, $1) },
        down: { vertical.gradient($0, $1) })
    }
    forEachChannelVector(channels, target) {
      transform($0, $1, NativeVector.self)
    } eight: {
      transform($0, $1, Vector.self)
    }
  }

  /// Calls `native` or `eight` with each vector of channels and the place it is written to.
  @inline(__always)
  private static func forEachChannelVector(
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

  /// Both steps for one vector of channels: `along` the rows into `half`, and `down` the columns to the target.
  @inline(__always)
  private static func transform<E: Element, V: SIMDVector>(
    _ patch: TilePatch, _: E.Type, _ channel: Int, _ whole: Bool, height: Int, width: Int, wide: Int,
    _ target: UnsafeMutablePointer<Float>, _ layout: TileLayout, _ half: UnsafeMutablePointer<Float>, _: V.Type,
    along: ((Int) -> V, (Int, V) -> Void) -> Void, down: ((Int) -> V, (Int, V) -> Void) -> Void
  ) {
    let lanes = V.scalarCount
    let start: Elements<E> = patch.start.elements()
    if whole {
      for row in 0..<height {
        let source = start + (row * patch.row + channel)
        along({ source.load($0 * patch.column) }, { half.store($1, (row * wide + $0) * lanes) })
      }
    } else {
      let gathered = half + largest * largest * lanes
      for index in 0..<(height * width) { gathered.store(V.zero, index * lanes) }
      for row in patch.rows {
        for column in patch.columns {
          let pixel: V = start.load(row * patch.row + column * patch.column + channel)
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
        $1.store(to: target + ($0 * wide + column) * layout.product, nonTemporal: layout.nonTemporal)
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
    let (tall, wide) = (vertical.sizes.products, horizontal.sizes.products)
    @inline(__always)
    func transform<V: SIMDVector>(_ output: Int, _: V.Type) {
      let lanes = V.scalarCount
      for column in 0..<3 {
        let source = taps + column * tap + output
        vertical.filter(source.load() as V, source.load(3 * tap), source.load(6 * tap)) {
          workspace.store($1, ($0 * 3 + column) * lanes)
        }
      }
      for row in 0..<tall {
        let half = workspace + row * 3 * lanes
        horizontal.filter(half.load() as V, half.load(lanes), half.load(2 * lanes)) {
          $1.store(to: target + (row * wide + $0) * product + output, nonTemporal: nonTemporal)
        }
      }
    }
    forEachVector(in: width, native: { transform($0, NativeVector.self) }, eight: { transform($0, Vector.self) })
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
