import CIntrinsics
import Microkernels

extension Backend: PairMicrokernelSet {
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
}

extension SIMD8<Float>: PairVector {
  @inline(__always)
  fileprivate static func storePairs(_ first: Self, _ second: Self, to target: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(target).storeBytes(of: rounded_pairs_8(first, second), as: SIMD8<UInt32>.self)
  }
}

extension SIMD16<Float>: PairVector {
  @inline(__always)
  fileprivate static func storePairs(_ first: Self, _ second: Self, to target: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(target).storeBytes(of: rounded_pairs_flushing_16(first, second), as: SIMD16<UInt32>.self)
  }
}
