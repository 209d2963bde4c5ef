import Glibc

/// The 64-bit hash XXH64, computed incrementally at memory bandwidth: the checksum of files and of model replicas.
///
/// It detects damage, not tampering. Source: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
package struct XXH64 {
  private var lanes: (UInt64, UInt64, UInt64, UInt64) = (Self.prime1 &+ Self.prime2, Self.prime2, 0, 0 &- Self.prime1)
  private var length: UInt64 = 0
  /// Bytes after the last whole stripe of 32.
  private var rest: [UInt8] = []

  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  package init() { rest.reserveCapacity(32) }

  /// The hash of these bytes.
  package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = XXH64()
    hash.update(bytes)
    return hash.value
  }

  /// The hash of a file's contents. The file is read, not mapped: somebody may truncate it meanwhile.
  package static func hashOfFile(_ path: String) throws(FileError) -> UInt64 {
    let descriptor = open(path.pathBytes, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path, .open, errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(path, .notRegularFile)
    }
    var (hash, piece) = (XXH64(), [UInt8](repeating: 0, count: 1 << 18))
    while true {
      let count = piece.withUnsafeMutableBytes { bytes in
        retryingInterrupted { read(descriptor, bytes.baseAddress, bytes.count) }
      }
      guard count >= 0 else { throw FileError(path, .read, errno: errno) }
      guard count > 0 else { return hash.value }
      piece.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
    }
  }

  /// Appends bytes. How they are cut into calls does not matter.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var bytes = bytes[...]
    if !rest.isEmpty {
      let head = bytes.prefix(32 - rest.count)
      rest.append(contentsOf: head)
      bytes = bytes.dropFirst(head.count)
      guard rest.count == 32 else { return }
      rest.withUnsafeBytes { consume($0) }
      rest.removeAll(keepingCapacity: true)
    }
    let whole = bytes.count & ~31
    consume(UnsafeRawBufferPointer(rebasing: bytes.prefix(whole)))
    rest.append(contentsOf: bytes.dropFirst(whole))
  }

  /// Hashes whole stripes.
  private mutating func consume(_ stripes: UnsafeRawBufferPointer) {
    guard let start = stripes.baseAddress else { return }
    var (a, b, c, d) = lanes
    var offset = 0
    while offset < stripes.count {
      a = Self.round(a, Self.load(start, offset))
      b = Self.round(b, Self.load(start, offset + 8))
      c = Self.round(c, Self.load(start, offset + 16))
      d = Self.round(d, Self.load(start, offset + 24))
      offset += 32
    }
    lanes = (a, b, c, d)
  }

  /// The hash of all bytes so far.
  package var value: UInt64 {
    var hash: UInt64
    if length < 32 {
      hash = Self.prime5
    } else {
      hash = Self.rotateLeft(lanes.0, 1) &+ Self.rotateLeft(lanes.1, 7)
      hash = hash &+ Self.rotateLeft(lanes.2, 12) &+ Self.rotateLeft(lanes.3, 18)
      for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
        hash = (hash ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
      }
    }
    hash = hash &+ length
    rest.withUnsafeBytes { bytes in
      var bytes = bytes[...]
      while bytes.count >= 8 {
        let word = UInt64(littleEndian: UnsafeRawBufferPointer(rebasing: bytes).loadUnaligned(as: UInt64.self))
        hash = Self.rotateLeft(hash ^ Self.round(0, word), 27) &* Self.prime1 &+ Self.prime4
        bytes = bytes.dropFirst(8)
      }
      if bytes.count >= 4 {
        let word = UInt32(littleEndian: UnsafeRawBufferPointer(rebasing: bytes).loadUnaligned(as: UInt32.self))
        hash = Self.rotateLeft(hash ^ UInt64(word) &* Self.prime1, 23) &* Self.prime2 &+ Self.prime3
        bytes = bytes.dropFirst(4)
      }
      for byte in bytes { hash = Self.rotateLeft(hash ^ UInt64(byte) &* Self.prime5, 11) &* Self.prime1 }
    }
    hash = (hash ^ hash >> 33) &* Self.prime2
    hash = (hash ^ hash >> 29) &* Self.prime3
    return hash ^ hash >> 32
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotateLeft(lane &+ word &* prime2, 31) &* prime1
  }

  @inline(__always)
  private static func rotateLeft(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }

  @inline(__always)
  private static func load(_ start: UnsafeRawPointer, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}
