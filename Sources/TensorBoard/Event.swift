import Protobuf

/// An entry of an event file: values of one step.
///
/// Source of the field numbers: tensorboard/compat/proto/event.proto and summary.proto.
package struct Event {
  package enum Content {
    /// The first record of a file.
    case fileVersion
    /// A process goes on with this step: readers drop what they have of it and of later steps.
    case sessionStart
    case summary([SummaryValue])
  }

  /// Seconds since 1970.
  package let wallTime: Double
  package let step: Int
  package let content: Content

  package init(wallTime: Double, step: Int, _ content: Content) {
    self.wallTime = wallTime
    self.step = step
    self.content = content
  }

  /// The event as a record of a file.
  package func record() -> [UInt8] {
    var message = ProtobufMessage()
    message.add(1, double: wallTime)
    // Protocol Buffers leaves zeros out.
    if step != 0 { message.add(2, step) }
    switch content {
    case .fileVersion: message.add(3, "brain.Event:2")
    case .sessionStart:
      var log = ProtobufMessage()
      log.add(1, 1)
      message.add(7, log)
    case .summary(let values):
      var summary = ProtobufMessage()
      for value in values { summary.add(1, value.message) }
      message.add(5, summary)
    }
    return EventRecords.record(message.encoded)
  }

  /// The step of an encoded event, and the tag of its first value, if it has values.
  package static func identity(of payload: UnsafeRawBufferPointer) -> (step: Int, tag: String?) {
    var (step, tag): (Int, String?) = (0, nil)
    for (field, value) in ProtobufReader(payload) {
      switch (field, value) {
      case (2, .varint(let bits)): step = Int(truncatingIfNeeded: bits)
      case (5, .bytes(let summary)): tag = firstTag(of: summary)
      default: break
      }
    }
    return (step, tag)
  }

  private static func firstTag(of summary: UnsafeRawBufferPointer) -> String? {
    for case (1, .bytes(let value)) in ProtobufReader(summary) {
      for case (1, .bytes(let tag)) in ProtobufReader(value) { return String(decoding: tag, as: UTF8.self) }
    }
    return nil
  }
}
