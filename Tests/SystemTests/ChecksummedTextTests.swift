import Foundation
import System
import Testing

@Suite("Checksummed text") struct ChecksummedTextTests {
  @Test("A text is read back; with any byte changed, removed or added it is damaged")
  func damage() {
    let text = Data("{\"a\":1}\n".utf8)
    let encoded = ChecksummedText.encode(text)
    #expect(encoded.count == 17 + text.count && encoded.suffix(text.count) == text)
    #expect(ChecksummedText.decode(encoded) == text)
    #expect(ChecksummedText.decode(ChecksummedText.encode(Data())) == Data())
    for index in encoded.indices {
      var damaged = encoded
      damaged[index] ^= 4
      #expect(ChecksummedText.decode(damaged) == nil)
      #expect(ChecksummedText.decode(encoded.prefix(index)) == nil)
    }
    #expect(ChecksummedText.decode(encoded + Data([0])) == nil)
    #expect(ChecksummedText.decode(Data()) == nil)
  }
}
