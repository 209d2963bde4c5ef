import Protobuf

/// The page "Custom Scalars": charts that each hold several tags.
///
/// Source of the field numbers: tensorboard/plugins/custom_scalar/layout.proto.
package struct ScalarLayout {
  package struct Chart {
    package let title: String
    /// A regular expression that a tag matches from its beginning; every tag that does is a curve.
    package let tags: [String]

    package init(_ title: String, tags: [String]) {
      self.title = title
      self.tags = tags
    }
  }

  package struct Category {
    package let title: String
    package let charts: [Chart]

    package init(_ title: String, _ charts: [Chart]) {
      self.title = title
      self.charts = charts
    }
  }

  package let categories: [Category]

  package init(_ categories: [Category]) { self.categories = categories }

  /// The tag that TensorBoard looks for.
  package static let tag = "custom_scalars__config__"

  package var value: SummaryValue {
    var layout = ProtobufMessage()
    for category in categories {
      var message = ProtobufMessage()
      message.add(1, category.title)
      for chart in category.charts {
        var lines = ProtobufMessage()
        lines.add(1, chart.tags)
        var encoded = ProtobufMessage()
        encoded.add(1, chart.title)
        encoded.add(2, lines)
        message.add(2, encoded)
      }
      layout.add(2, message)
    }
    return SummaryValue(Self.tag, SummaryValue.string(layout.encoded), plugin: "custom_scalars")
  }
}
