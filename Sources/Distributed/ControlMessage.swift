/// What the ranks of a job tell one another beside MPI: a kind, numbers and a text.
package struct ControlMessage: Equatable, Sendable {
  package enum Kind: UInt8, Sendable {
    /// The first of a connection, to rank 0: token of the job, rank.
    case hello = 1
    /// Rank 0's answer.
    case welcome
    /// What the rank does: the numbers of an `Activity.Snapshot`.
    case activity
    /// This rank ends with an error, which rank 0 is to report: status; the line.
    case failed
    /// This rank ends by a signal: its number.
    case crashed
    /// This rank ends by `exit`, before the end of the job.
    case exited
    /// Whether the system has ended processes of the host for lack of memory: asked by rank 0 (no number), answered by
    /// a rank of the host (1 or 0).
    case memory
    /// The job is about to end by an error: write nothing more, and end with this status when rank 0 has ended.
    case hush
    /// The answer to `hush`.
    case hushed
    /// This rank has come to the end of the job.
    case goodbye
  }

  package var kind: Kind
  package var numbers: [Int] = []
  package var text = ""

  package init(_ kind: Kind, _ numbers: [Int] = [], text: String = "") {
    self.kind = kind
    self.numbers = numbers
    self.text = text
  }

  /// Longer ones come from no rank.
  package static let mostBytes = 1 << 16

  /// Bytes that follow (4), kind (1), number of numbers (1), numbers (8 each), text; little-endian.
  package var bytes: [UInt8] {
    let text = text.utf8.prefix(Self.mostBytes - 6 - 8 * numbers.count)
    var bytes = Self.littleEndian(UInt32(2 + 8 * numbers.count + text.count))
    bytes += [kind.rawValue, UInt8(numbers.count)]
    for number in numbers { bytes += Self.littleEndian(Int64(number)) }
    return bytes + text
  }

  /// Takes the messages off the front of received bytes.
  ///
  /// - Returns: `nil` if the bytes are not those of a rank.
  package static func take(from bytes: inout [UInt8]) -> [ControlMessage]? {
    var messages: [ControlMessage] = []
    var place = 0
    while bytes.count - place >= 4 {
      let count = Int(bytes.number(UInt32.self, at: place))
      guard (2...mostBytes).contains(count) else { return nil }
      guard bytes.count - place >= 4 + count else { break }
      let numbers = Int(bytes[place + 5])
      guard let kind = Kind(rawValue: bytes[place + 4]), 2 + 8 * numbers <= count else { return nil }
      messages.append(
        ControlMessage(
          kind, (0..<numbers).map { Int(bytes.number(Int64.self, at: place + 6 + 8 * $0)) },
          text: String(decoding: bytes[place + 6 + 8 * numbers..<place + 4 + count], as: UTF8.self)))
      place += 4 + count
    }
    bytes.removeFirst(place)
    return messages
  }

  private static func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }
}

extension [UInt8] {
  fileprivate func number<Number: FixedWidthInteger>(_ type: Number.Type, at place: Int) -> Number {
    withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: type)) }
  }
}
