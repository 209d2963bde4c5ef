/// Train id, Canny edge and boundary of a pixel, packed into one byte: a third of the memory of three maps, and one map
/// to resample instead of three. Of more than `packedClasses` classes the three are bytes side by side.
enum GroundTruth {
  /// The most classes whose train ids fit into five bits, beside the ignored one.
  static let packedClasses = 31

  /// Bytes of a pixel: 1 packed, or 3.
  static func channels(classes: Int) -> Int { classes <= packedClasses ? 1 : 3 }

  private static let ignored: UInt8 = 31
  private static let edge: UInt8 = 32
  private static let boundary: UInt8 = 64

  @inline(__always)
  static func packed(trainId: UInt8, canny: UInt8, boundary: UInt8) -> UInt8 {
    (trainId == Label.ignored ? ignored : trainId) | (canny == 0 ? 0 : edge) | (boundary == 0 ? 0 : Self.boundary)
  }

  /// 0 ..< `Label.classCount`, or `Label.ignored`.
  @inline(__always)
  static func trainId(_ packed: UInt8) -> UInt8 {
    let id = packed & ignored
    return id == ignored ? Label.ignored : id
  }

  /// 0 or 1.
  @inline(__always)
  static func canny(_ packed: UInt8) -> Float { packed & edge == 0 ? 0 : 1 }

  /// 0 or 1.
  @inline(__always)
  static func boundary(_ packed: UInt8) -> UInt8 { packed & boundary == 0 ? 0 : 1 }

  /// A pixel beyond the image.
  static let padding = packed(trainId: Label.ignored, canny: 0, boundary: 0)
}
