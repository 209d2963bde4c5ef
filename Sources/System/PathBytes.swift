import Glibc

// To Linux a path is bytes, and an old archive may hold names in Latin-1. A `String` holds UTF-8 alone: a path holds each
// byte that is not part of it as a character of the private use area, U+F700 + byte, and gives it back to the system as
// the byte that it was.

extension String {
  /// A path or name as the system gives it.
  package init(pathBytes bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: \.isPathByte) {
      self = text
      return
    }
    var scalars = UnicodeScalarView()
    var parser = Unicode.UTF8.ForwardParser()
    var source = bytes.makeIterator()
    var next = 0
    func appendBytes(_ count: Int) {
      for byte in bytes[next..<next + count] { scalars.append(Unicode.Scalar(pathByte: byte)) }
    }
    while true {
      switch parser.parseScalar(from: &source) {
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        // A name that holds such a character itself: as bytes, so that no two names become one.
        if scalar.isPathByte { appendBytes(encoded.count) } else { scalars.append(scalar) }
        next += encoded.count
      case .error(let length):
        appendBytes(length)
        next += length
      case .emptyInput:
        self = String(scalars)
        return
      }
    }
  }

  /// A path or name that the system gives as a C string.
  package init(path: UnsafePointer<CChar>) {
    self.init(pathBytes: UnsafeRawBufferPointer(start: path, count: strlen(path)))
  }

  /// The path as a C string for a system call.
  package var pathBytes: [CChar] {
    var bytes: [CChar] = []
    bytes.reserveCapacity(utf8.count + 1)
    for scalar in unicodeScalars {
      if scalar.isPathByte {
        bytes.append(CChar(truncatingIfNeeded: scalar.value))
      } else {
        bytes.append(contentsOf: String(scalar).utf8.map(CChar.init(bitPattern:)))
      }
    }
    return bytes + [0]
  }

  /// The text with such bytes as in a shell's `$'…'`: `k\xf6ln`.
  package var printable: String {
    guard unicodeScalars.contains(where: \.isPathByte) else { return self }
    return unicodeScalars.map { $0.isPathByte ? "\\x" + String($0.value & 0xFF, radix: 16) : String($0) }.joined()
  }
}

extension Unicode.Scalar {
  /// Bytes below 0x80 are always part of UTF-8.
  fileprivate var isPathByte: Bool { (0xF780...0xF7FF).contains(value) }

  fileprivate init(pathByte byte: UInt8) {
    // Every value of this range is a scalar.
    self = Unicode.Scalar(0xF700 + UInt32(byte)) ?? "\u{FFFD}"
  }
}
