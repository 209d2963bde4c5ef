import Tensors

/// A tensor in a file: the elements of a storage that its offset and strides select, as in PyTorch.
///
/// Views of one storage share its bytes. A stride of 0 repeats an element, so that a view may have far more elements than
/// its storage: `distinctCount` is how many there are to look at.
package struct TensorView: @unchecked Sendable {
  // Unchecked: the bytes are never written, and `owner` keeps them.

  package let type: ElementType
  /// Outermost dimension first; `[]` for a scalar.
  package let shape: [Int]
  /// Number of elements.
  package let count: Int
  /// Number of elements, those of repeated dimensions counted once; at most the elements of the storage.
  let distinctCount: Int
  /// Elements between neighbors in each dimension.
  private let strides: [Int]
  /// The storage from the first element of the view on.
  private let bytes: UnsafeRawBufferPointer
  /// Whether the other byte order than this machine's is stored.
  private let isSwapped: Bool
  private let owner: AnyObject & Sendable

  /// The most dimensions of a tensor, as in PyTorch.
  static let maximumRank = 64

  /// - Parameters:
  ///   - storage: its bytes, valid as long as `owner`.
  ///   - offset: of the first element in the storage, in elements.
  ///   - strides: in elements; nil for a dense tensor.
  /// - Returns: nil if the view exceeds its storage, has more distinct elements than it, or cannot be counted.
  init?(
    _ type: ElementType, _ shape: [Int], strides: [Int]? = nil, offset: Int = 0, storage: UnsafeRawBufferPointer,
    isSwapped: Bool = false, owner: AnyObject & Sendable
  ) {
    let size = type.size
    let elements = storage.count / size
    guard shape.count <= Self.maximumRank, shape.allSatisfy({ $0 >= 0 }), (0...elements).contains(offset),
      type.bytes(of: shape) != nil
    else { return nil }
    let isEmpty = shape.contains(0)
    let strides = strides ?? Self.denseStrides(shape)
    guard strides.count == shape.count, strides.allSatisfy({ $0 >= 0 }) else { return nil }
    count = shape.reduce(1, *)
    var (last, distinct) = (offset, 1)
    for (extent, stride) in zip(shape, strides) where !isEmpty && extent > 1 {
      let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      guard !overflow, reach < elements else { return nil }
      last += reach
      if stride > 0 { distinct *= extent }
    }
    guard isEmpty || last < elements, isEmpty || distinct <= elements else { return nil }
    self.type = type
    self.shape = shape
    self.strides = isEmpty ? Self.denseStrides(shape) : strides
    distinctCount = isEmpty ? 0 : distinct
    bytes = UnsafeRawBufferPointer(rebasing: storage[offset * size..<elements * size])
    self.isSwapped = isSwapped && size > 1
    self.owner = owner
  }

  static func denseStrides(_ shape: [Int]) -> [Int] {
    var stride = 1
    return shape.reversed().map { extent in
      defer { stride *= max(extent, 1) }
      return stride
    }.reversed()
  }

  /// The view with each repeated dimension only once.
  private var distinct: TensorView? {
    TensorView(
      type, zip(shape, strides).map { $1 == 0 ? min($0, 1) : $0 }, strides: strides, storage: bytes,
      isSwapped: isSwapped, owner: owner)
  }
}

// MARK: - Elements in row-major order

extension TensorView {
  /// Dimensions of more than one element, neighbors merged where they are dense, innermost first.
  private var merged: [(extent: Int, stride: Int)] {
    var merged: [(extent: Int, stride: Int)] = []
    for (extent, stride) in zip(shape, strides).reversed() where extent > 1 {
      if let inner = merged.last, stride == inner.extent * inner.stride {
        merged[merged.count - 1].extent *= extent
      } else {
        merged.append((extent, stride))
      }
    }
    return merged.isEmpty ? [(1, 1)] : merged
  }

  /// Whether the elements follow one another in the storage.
  private var isDense: Bool { merged.count == 1 && (merged[0].stride == 1 || count == 1) && !isSwapped }

  /// Calls `body` with the bits and the index of every element.
  @inline(__always)
  private func forEach<Bits: FixedWidthInteger>(_: Bits.Type, _ body: (_ bits: Bits, _ index: Int) -> Void) {
    guard count > 0 else { return }
    let dimensions = merged
    let (inner, stride) = dimensions[0]
    var positions = [Int](repeating: 0, count: dimensions.count)
    var (index, start) = (0, 0)
    while true {
      for step in 0..<inner {
        let bits = bytes.loadUnaligned(
          fromByteOffset: (start + step * stride) * MemoryLayout<Bits>.size, as: Bits.self)
        body(isSwapped ? bits.byteSwapped : bits, index + step)
      }
      index += inner
      var dimension = 1
      while dimension < dimensions.count {
        positions[dimension] += 1
        start += dimensions[dimension].stride
        if positions[dimension] < dimensions[dimension].extent { break }
        start -= dimensions[dimension].extent * dimensions[dimension].stride
        positions[dimension] = 0
        dimension += 1
      }
      if dimension == dimensions.count { return }
    }
  }

  /// Writes all elements to `target`, little-endian, in `count * type.size` bytes.
  func copyBytes(to target: UnsafeMutableRawBufferPointer) {
    precondition(target.count == count * type.size)
    if isDense {
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<target.count]))
      return
    }
    switch type.size {
    case 1: forEach(UInt8.self) { target.storeBytes(of: $0, toByteOffset: $1, as: UInt8.self) }
    case 2: forEach(UInt16.self) { target.storeBytes(of: $0, toByteOffset: 2 * $1, as: UInt16.self) }
    case 4: forEach(UInt32.self) { target.storeBytes(of: $0, toByteOffset: 4 * $1, as: UInt32.self) }
    default: forEach(UInt64.self) { target.storeBytes(of: $0, toByteOffset: 8 * $1, as: UInt64.self) }
    }
  }
}

// MARK: - Numbers

extension TensorView {
  /// Whether `copy` can convert this type to float32.
  package var isFloatingPoint: Bool {
    switch type {
    case .float32, .float64, .float16, .bfloat16: true
    default: false
    }
  }

  /// Writes the numbers of a floating-point tensor, rounded to float32, to `target`.
  func copy(to target: UnsafeMutablePointer<Float>) {
    switch type {
    case .float32: copyBytes(to: UnsafeMutableRawBufferPointer(start: target, count: count * type.size))
    case .float64: forEach(UInt64.self) { target[$1] = Float(Double(bitPattern: $0)) }
    case .float16: forEach(UInt16.self) { target[$1] = Float(Float16(bitPattern: $0)) }
    // The upper half of a float32.
    case .bfloat16: forEach(UInt16.self) { target[$1] = Float(bitPattern: UInt32($0) << 16) }
    default: preconditionFailure("\(type) is not readable as floats")
    }
  }

  /// How many numbers are infinite or not a number as float32; 0 if it does not hold floating-point numbers.
  package var nonFiniteCount: Int {
    guard isFloatingPoint, count > 0 else { return 0 }
    guard distinctCount == count else {
      let (total, overflow) = (distinct?.nonFiniteCount ?? 0).multipliedReportingOverflow(by: count / distinctCount)
      return overflow ? Int.max : total
    }
    if type == .float32, isDense {
      return UnsafeRawBufferPointer(rebasing: bytes[..<(count * type.size)]).nonFiniteFloats
    }
    let floats = FloatSlice(count: count)
    copy(to: floats.start)
    return floats.nonFiniteCount
  }

  /// The value of an integer tensor of one element, nil for any other tensor.
  var integer: Int64? {
    guard count == 1 else { return nil }
    var value: Int64?
    switch type {
    case .int64: forEach(UInt64.self) { bits, _ in value = Int64(bitPattern: bits) }
    case .int32: forEach(UInt32.self) { bits, _ in value = Int64(Int32(bitPattern: bits)) }
    default: break
    }
    return value
  }
}
