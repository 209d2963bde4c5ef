import Foundation
import TensorBoard
import Testing

@Suite("Records of event files")
struct EventRecordsTests {
  @Test("The first record of a file has the bytes that TensorFlow writes")
  func fileVersion() {
    let record = Event(wallTime: 1.5, step: 0, .fileVersion).record()
    // Length 24 and its masked checksum, with which every file of TensorFlow and PyTorch begins.
    #expect(Array(record.prefix(12)) == [0x18, 0, 0, 0, 0, 0, 0, 0, 0xA3, 0x7F, 0x4B, 0x22])
    let payload: [UInt8] = [0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0x1A, 0x0D] + Array("brain.Event:2".utf8)
    #expect(Array(record.dropFirst(12).dropLast(4)) == payload)
    #expect(Array(record.suffix(4)) == [0x2A, 0x28, 0x64, 0x6C])
  }

  @Test("Whole records are read up to any byte at which the file ends")
  func truncated() {
    let records = (0..<4).map { Event(wallTime: 1, step: $0, .summary([.scalar("a/b", Double($0))])).record() }
    let file = records.flatMap(\.self)
    let ends = records.indices.map { index in records.prefix(index + 1).reduce(0) { $0 + $1.count } }
    for count in 0...file.count {
      file.prefix(count).withUnsafeBytes { bytes in
        var sequence = EventRecords(bytes)
        var steps: [Int] = []
        while let (_, payload) = sequence.next() { steps.append(Event.identity(of: payload).step) }
        let whole = ends.count { $0 <= count }
        #expect(steps == Array(0..<whole))
        #expect(sequence.position == (whole == 0 ? 0 : ends[whole - 1]))
      }
    }
  }

  @Test("Reading ends before a record with any wrong bit")
  func damaged() {
    let first = Event(wallTime: 1, step: 7, .summary([.scalar("a", 1)])).record()
    let second = Event(wallTime: 1, step: 8, .summary([.scalar("a", 2)])).record()
    for bit in 0..<8 * second.count {
      var file = first + second + first
      file[first.count + bit / 8] ^= 1 << UInt8(bit % 8)
      file.withUnsafeBytes { bytes in
        var records = EventRecords(bytes)
        #expect(records.next()?.range == 0..<first.count)
        #expect(records.next() == nil)
        #expect(records.position == first.count)
      }
    }
  }

  @Test("An event says its step and first tag, also below 0 and without values")
  func identity() {
    func identity(_ event: Event) -> (Int, String?) {
      let record = event.record()
      return record.withUnsafeBytes { Event.identity(of: UnsafeRawBufferPointer(rebasing: $0[12..<record.count - 4])) }
    }
    #expect(
      identity(Event(wallTime: 0, step: 1 << 40, .summary([.scalar("x/y", 1), .scalar("z", 2)]))) == (1 << 40, "x/y"))
    #expect(identity(Event(wallTime: 0, step: -3, .summary([.text("t", "ü")]))) == (-3, "t"))
    #expect(identity(Event(wallTime: 0, step: 5, .sessionStart)) == (5, nil))
  }
}
