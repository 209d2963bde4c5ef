/// A pointer to numbers of either precision. A microkernel looks at the precision once, before its loops.
@usableFromInline package struct ElementPointer {
  @usableFromInline package let address: UnsafeMutableRawPointer
  @usableFromInline package let precision: Precision

  @inlinable @inline(__always)
  package init(_ address: UnsafeMutableRawPointer, _ precision: Precision) {
    self.address = address
    self.precision = precision
  }

  /// Floats that are read and written.
  @inlinable @inline(__always)
  package init(_ floats: UnsafeMutablePointer<Float>) { self.init(UnsafeMutableRawPointer(floats), .float32) }

  /// Floats that are only read.
  @inlinable @inline(__always)
  package init(_ floats: UnsafePointer<Float>) { self.init(UnsafeMutablePointer(mutating: floats)) }

  /// The pointer `count` numbers further on.
  @inlinable @inline(__always)
  package static func + (pointer: ElementPointer, count: Int) -> ElementPointer {
    ElementPointer(pointer.address + count * pointer.precision.size, pointer.precision)
  }

  /// The numbers as elements of a type, which must be that of the precision.
  @inlinable @inline(__always)
  package func elements<E: Element>(_: E.Type = E.self) -> Elements<E> {
    precondition(precision == E.precision)
    return Elements(address)
  }

  /// The numbers, which must be floats.
  @inlinable @inline(__always)
  package var floats: UnsafeMutablePointer<Float> {
    precondition(precision == .float32)
    return address.assumingMemoryBound(to: Float.self)
  }

  /// One number; not for loops, since it looks at the precision.
  @inlinable
  package func read(_ offset: Int) -> Float {
    switch precision {
    case .float32: elements(Float.self)[offset]
    case .bfloat16: elements(BFloat16.self)[offset]
    }
  }

  /// Writes one number; not for loops, since it looks at the precision.
  @inlinable
  package func write(_ value: Float, _ offset: Int) {
    switch precision {
    case .float32: elements(Float.self)[offset] = value
    case .bfloat16: elements(BFloat16.self)[offset] = value
    }
  }

  /// Eight numbers; not for loops, since it looks at the precision.
  @inlinable
  package func vector(_ offset: Int) -> Vector {
    switch precision {
    case .float32: elements(Float.self).vector(offset)
    case .bfloat16: elements(BFloat16.self).vector(offset)
    }
  }
}

/// A pointer to elements of a type.
@usableFromInline package struct Elements<E: Element> {
  @usableFromInline package let address: UnsafeMutableRawPointer

  @inlinable @inline(__always)
  package init(_ address: UnsafeMutableRawPointer) { self.address = address }

  /// The pointer `count` elements further on.
  @inlinable @inline(__always)
  package static func + (pointer: Elements, count: Int) -> Elements {
    Elements(pointer.address + count * E.precision.size)
  }

  @inlinable @inline(__always)
  package static func += (pointer: inout Elements, count: Int) { pointer = pointer + count }

  /// The eight numbers from `offset` on.
  @inlinable @inline(__always)
  package func vector(_ offset: Int = 0) -> Vector { E.load8(address + offset * E.precision.size) }

  /// Writes eight numbers from `offset` on.
  @inlinable @inline(__always)
  package func store(_ vector: Vector, _ offset: Int = 0) { E.store8(vector, to: address + offset * E.precision.size) }

  /// One number.
  @inlinable @inline(__always)
  package subscript(offset: Int) -> Float {
    get { E.load1(address + offset * E.precision.size) }
    nonmutating set { E.store1(newValue, to: address + offset * E.precision.size) }
  }
}
