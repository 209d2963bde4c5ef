import Tensors

/// When a result is written past the caches.
enum NonTemporal {
  /// Whether to: more than 16 MiB will have left the caches anyway before the next operation reads it, so that fetching
  /// each line before it is overwritten would be in vain.
  static func isProfitable(floats: Int) -> Bool { floats > 4 << 20 }
}

extension Tensor {
  /// Whether kernels that write this tensor once, from end to end, stream it.
  var usesNonTemporalStores: Bool { NonTemporal.pays(floats: shape.count) }
}
