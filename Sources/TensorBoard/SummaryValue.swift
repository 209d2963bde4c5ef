import Protobuf

/// A value with a tag, which names its chart. The part of a tag before the first slash is the group of the chart.
///
/// In a run the steps of a tag must rise: a reader keeps one value of a tag and step, and drops those of later steps when
/// one with an earlier step comes.
package struct SummaryValue {
  let message: ProtobufMessage

  private init(_ tag: String, _ add: (inout ProtobufMessage) -> Void) {
    var message = ProtobufMessage()
    message.add(1, tag)
    add(&message)
    self.message = message
  }

  /// A number over the steps. The short form without metadata: half the bytes, and readers show it alike.
  package static func scalar(_ tag: String, _ value: Double) -> SummaryValue {
    SummaryValue(tag) { $0.add(2, float: Float(value)) }
  }

  /// An image.
  ///
  /// - Parameters:
  ///   - png: the file.
  ///   - channels: 1 or 3.
  package static func image(_ tag: String, png: [UInt8], height: Int, width: Int, channels: Int) -> SummaryValue {
    var image = ProtobufMessage()
    image.add(1, height)
    image.add(2, width)
    image.add(3, channels)
    image.add(4, bytes: png)
    return SummaryValue(tag) { $0.add(4, image) }
  }

  /// The distribution of numbers.
  package static func histogram(_ tag: String, _ histogram: Histogram) -> SummaryValue {
    let numbers = histogram.buckets.flatMap { [$0.lowerBound, $0.upperBound, $0.count] }
    let content = numbers.flatMap { number in withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) } }
    var tensor = tensor(.double, shape: [histogram.buckets.count, 3])
    tensor.add(4, bytes: content)
    return SummaryValue(tag, tensor, plugin: "histograms")
  }

  /// A text in Markdown.
  package static func text(_ tag: String, _ markdown: String) -> SummaryValue {
    SummaryValue(tag, string(markdown.utf8.map { $0 }), plugin: "text")
  }

  // MARK: - Tensors and plug-ins

  private enum ElementType: Int {
    case float = 1
    case double = 2
    case string = 7
  }

  /// A value that a plug-in of TensorBoard shows.
  ///
  /// - Parameter content: what the plug-in wants to know besides the value.
  init(_ tag: String, _ tensor: ProtobufMessage, plugin: String, content: [UInt8] = []) {
    var data = ProtobufMessage()
    data.add(1, plugin)
    if !content.isEmpty { data.add(2, bytes: content) }
    var metadata = ProtobufMessage()
    metadata.add(1, data)
    // DATA_CLASS_TENSOR.
    metadata.add(4, 2)
    self.init(tag) { message in
      message.add(8, tensor)
      message.add(9, metadata)
    }
  }

  /// A tensor with one text.
  static func string(_ bytes: [UInt8]) -> ProtobufMessage {
    var tensor = tensor(.string, shape: [])
    tensor.add(8, bytes: bytes)
    return tensor
  }

  /// A tensor without numbers.
  static var empty: ProtobufMessage { tensor(.float, shape: [0]) }

  private static func tensor(_ type: ElementType, shape: [Int]) -> ProtobufMessage {
    var dimensions = ProtobufMessage()
    for size in shape {
      var dimension = ProtobufMessage()
      dimension.add(1, size)
      dimensions.add(2, dimension)
    }
    var tensor = ProtobufMessage()
    tensor.add(1, type.rawValue)
    tensor.add(2, dimensions)
    return tensor
  }
}
