/// The checksum of PNG's chunks (ISO 3309).
enum CRC32 {
  /// - Parameter crc: of what comes before these bytes.
  static func of(_ bytes: UnsafePointer<UInt8>, count: Int, after crc: UInt32 = 0) -> UInt32 {
    tables.withUnsafeBufferPointer { tables in
      guard let table = tables.baseAddress else { return 0 }
      var crc = ~crc
      var at = 0
      // Eight bytes at once, each with a table that knows how many follow it (Kounavis and Berry, 2005).
      while at &+ 8 <= count {
        let word = UInt64(littleEndian: UnsafeRawPointer(bytes + at).loadUnaligned(as: UInt64.self)) ^ UInt64(crc)
        crc =
          table[1792 &+ Int(word & 255)] ^ table[1536 &+ Int(word &>> 8 & 255)]
          ^ table[1280 &+ Int(word &>> 16 & 255)] ^ table[1024 &+ Int(word &>> 24 & 255)]
          ^ table[768 &+ Int(word &>> 32 & 255)] ^ table[512 &+ Int(word &>> 40 & 255)]
          ^ table[256 &+ Int(word &>> 48 & 255)] ^ table[Int(word &>> 56)]
        at &+= 8
      }
      while at < count {
        crc = crc &>> 8 ^ table[Int((crc ^ UInt32(bytes[at])) & 255)]
        at &+= 1
      }
      return ~crc
    }
  }

  /// Table n: what a byte does to the checksum when n bytes follow it.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      tables[byte] = (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    for at in 256..<8 * 256 { tables[at] = tables[at - 256] >> 8 ^ tables[Int(tables[at - 256] & 255)] }
    return tables
  }()
}
