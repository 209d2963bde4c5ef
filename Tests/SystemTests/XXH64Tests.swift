import System
import Testing

@Suite("XXH64")
struct XXH64Tests {
  private func checksum(_ text: String) -> UInt64 { Array(text.utf8).withUnsafeBytes(XXH64.hash) }

  @Test("Known texts have their published hashes")
  func knownValues() {
    #expect(checksum("") == 0xEF46_DB37_51D8_E999)
    #expect(checksum("a") == 0xD24E_C4F1_A98C_6E5B)
    #expect(checksum("abc") == 0x44BC_2CF5_AD77_0999)
    #expect(checksum("Nobody inspects the spammish repetition") == 0xFBCE_A83C_8A37_8BF1)
  }

  @Test("How the bytes are cut into calls does not matter")
  func pieces() {
    let bytes = (0..<200).map { UInt8($0 &* 37 & 255) }
    for length in [0, 1, 3, 4, 7, 8, 31, 32, 33, 64, 100, 200] {
      let whole = bytes[..<length].withUnsafeBytes(XXH64.hash)
      for first in 0...length {
        var checksum = XXH64()
        bytes[..<first].withUnsafeBytes { checksum.update($0) }
        bytes[first..<length].withUnsafeBytes { checksum.update($0) }
        #expect(checksum.value == whole, "\(first) of \(length)")
      }
    }
  }
}
