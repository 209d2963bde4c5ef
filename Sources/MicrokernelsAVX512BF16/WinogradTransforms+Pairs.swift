import CIntrinsics
import Microkernels

extension Backend: PairMicrokernelSet {
  package static func transformInputRounded(
    _ patch: TilePatch, channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    to target: Elements<BFloat16>, product: Int, workspace: UnsafeMutablePointer<Float>
  ) {
    switch (vertical, horizontal) {
    case (.f4x3, .f4x3): inputRounded(patch, channels, .f4x3, .f4x3, target, product, workspace)
    default: inputRounded(patch, channels, vertical, horizontal, target, product, workspace)
    }
  }

  @inline(__always)
  private static func inputRounded(
    _ patch: TilePatch, _ channels: Int, _ vertical: WinogradAlgorithm, _ horizontal: WinogradAlgorithm,
    _ target: Elements<BFloat16>, _ product: Int, _ workspace: UnsafeMutablePointer<Float>
  ) {
    @inline(__always)
    func transform<V: PairVector>(_ channel: Int, _: V.Type) {
      Backend.transform(.input, patch, BFloat16.self, channel, vertical, horizontal, workspace) { (index, value: V) in
        value.storeRounded(to: (target + (index * product + channel)).address)
      }
    }
    forEachVector(in: channels, native: { transform($0, NativeVector.self) }, eight: { transform($0, Vector.self) })
  }

  package static func transformFilterPair(
    _ taps: UnsafePointer<Float>, input: Int, tap: Int, width: Int, rowStride: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, to target: UnsafeMutablePointer<Float>, product: Int,
    workspace: UnsafeMutablePointer<Float>
  ) {
    @inline(__always)
    func transform<V: PairVector>(_ output: Int, _: V.Type) {
      let lanes = V.scalarCount
      let products = workspace + 2 * largestTile * lanes
      transformFilter(taps + output, tap, vertical, horizontal, workspace) { (index, value: V) in
        products.store(value, index * lanes)
      }
      transformFilter(taps + input + output, tap, vertical, horizontal, workspace) { (index, value: V) in
        V.storePairs(products.load(index * lanes), value, to: target + index * product + output)
      }
    }
    forEachVector(in: width, native: { transform($0, NativeVector.self) }, eight: { transform($0, Vector.self) })
    for index in 0..<(vertical.sizes.products * horizontal.sizes.products) {
      for column in stride(from: width, to: rowStride, by: 8) { target.store(Vector.zero, index * product + column) }
    }
  }

  package static func transformInputPair(
    _ first: TilePatch, _ second: TilePatch?, channels: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, to target: TileLayout, workspace: UnsafeMutablePointer<Float>
  ) {
    switch (vertical, horizontal) {
    case (.f4x3, .f4x3): transformPair(.input, first, second, channels, .f4x3, .f4x3, target, workspace)
    default: transformPair(.input, first, second, channels, vertical, horizontal, target, workspace)
    }
  }

  package static func transformGradientPair(
    _ first: TilePatch, _ second: TilePatch?, channels: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, to target: TileLayout, workspace: UnsafeMutablePointer<Float>
  ) {
    switch (vertical, horizontal) {
    case (.f4x3, .f4x3): transformPair(.gradient, first, second, channels, .f4x3, .f4x3, target, workspace)
    default: transformPair(.gradient, first, second, channels, vertical, horizontal, target, workspace)
    }
  }

  /// The products of the first tile wait in the workspace for those of the second.
  @inline(__always)
  private static func transformPair(
    _ map: TileMap, _ first: TilePatch, _ second: TilePatch?, _ channels: Int, _ vertical: WinogradAlgorithm,
    _ horizontal: WinogradAlgorithm, _ target: TileLayout, _ workspace: UnsafeMutablePointer<Float>
  ) {
    @inline(__always)
    func transform<V: PairVector>(_ channel: Int, _ to: UnsafeMutablePointer<Float>, _: V.Type) {
      let lanes = V.scalarCount
      let products = workspace + 2 * largestTile * lanes
      Backend.transform(map, first, BFloat16.self, channel, vertical, horizontal, workspace) { (product, value: V) in
        products.store(value, product * lanes)
      }
      if let second {
        Backend.transform(map, second, BFloat16.self, channel, vertical, horizontal, workspace) { (product, value: V) in
          V.storePairs(products.load(product * lanes), value, to: to + product * target.product)
        }
      } else {
        for product in 0..<(vertical.sizes.products * horizontal.sizes.products) {
          V.storePairs(products.load(product * lanes), V.zero, to: to + product * target.product)
        }
      }
    }
    forEachChannelVector(channels, target) {
      transform($0, $1, NativeVector.self)
    } eight: {
      transform($0, $1, Vector.self)
    }
  }
}

private protocol PairVector: SIMDVector {
  /// Rounds to bfloat16 and writes pairs, the first number in the lower half of each lane.
  static func storePairs(_ first: Self, _ second: Self, to target: UnsafeMutablePointer<Float>)

  /// Rounds to bfloat16 and writes.
  func storeRounded(to target: UnsafeMutableRawPointer)
}

extension SIMD8<Float>: PairVector {
  @inline(__always)
  fileprivate static func storePairs(_ first: Self, _ second: Self, to target: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(target).storeBytes(of: rounded_pairs_8(first, second), as: SIMD8<UInt32>.self)
  }

  @inline(__always)
  fileprivate func storeRounded(to target: UnsafeMutableRawPointer) { store_bfloat16_8(target, self) }
}

extension SIMD16<Float>: PairVector {
  @inline(__always)
  fileprivate static func storePairs(_ first: Self, _ second: Self, to target: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(target).storeBytes(of: rounded_pairs_flushing_16(first, second), as: SIMD16<UInt32>.self)
  }

  @inline(__always)
  fileprivate func storeRounded(to target: UnsafeMutableRawPointer) { store_bfloat16_flushing_16(target, self) }
}
