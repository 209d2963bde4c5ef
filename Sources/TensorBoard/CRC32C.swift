/// The cyclic redundancy check of event files: the Castagnoli polynomial 0x1EDC6F41, reflected (CRC-32C, RFC 3720).
package enum CRC32C {
  /// `table[8 * 256]`: entry `256 * k + b` is the checksum of byte `b` followed by `k` zeros, so that eight bytes are
  /// looked up at once (slicing by 8).
  private static let table: [UInt32] = {
    var table = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var value = UInt32(byte)
      for _ in 0..<8 { value = value >> 1 ^ (value & 1 == 0 ? 0 : 0x82F6_3B78) }
      table[byte] = value
    }
    for index in 256..<table.count {
      let value = table[index - 256]
      table[index] = value >> 8 ^ table[Int(value & 0xFF)]
    }
    return table
  }()

  package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      var crc = UInt32.max
      var position = 0
      while position + 8 <= bytes.count {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ UInt64(crc)
        crc = 0
        for index in 0..<8 {
          crc ^= table[256 * (7 - index) + Int(truncatingIfNeeded: word >> UInt64(8 * index) & 0xFF)]
        }
        position += 8
      }
      while position < bytes.count {
        crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes[position])) & 0xFF)]
        position += 1
      }
      return ~crc
    }
  }

  /// The checksum as event files hold it: rotated and shifted, so that a checksum over bytes that hold checksums does not
  /// degenerate.
  package static func masked(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    let crc = checksum(bytes)
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }
}
