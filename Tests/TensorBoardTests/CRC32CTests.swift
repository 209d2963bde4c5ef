import TensorBoard
import Testing

@Suite("CRC-32C")
struct CRC32CTests {
  @Test("The checksums of RFC 3720, appendix B.4, and of the nine digits")
  func knownVectors() {
    let vectors: [([UInt8], UInt32)] = [
      ([UInt8](repeating: 0, count: 32), 0x8A91_36AA), ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
      (Array(0..<32), 0x46DD_794E), (Array((0..<32).reversed()), 0x113F_DB5C),
      (Array("123456789".utf8), 0xE306_9283), ([], 0),
    ]
    for (bytes, checksum) in vectors { #expect(bytes.withUnsafeBytes(CRC32C.checksum) == checksum) }
  }

  @Test("Eight bytes at once give what one bit at a time gives, for every length and alignment")
  func everyLength() {
    let bytes = (0..<64).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
    for start in 0..<8 {
      for end in start...bytes.count {
        let part = Array(bytes[start..<end])
        var crc = UInt32.max
        for byte in part {
          crc ^= UInt32(byte)
          for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1) * 0x82F6_3B78 }
        }
        bytes.withUnsafeBytes {
          #expect(CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[start..<end])) == ~crc)
        }
      }
    }
  }
}
