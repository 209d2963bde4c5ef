import Protobuf

/// The page "HParams": a row for each training, with its options and the last values of some scalars.
///
/// Source of the field numbers: tensorboard/plugins/hparams/plugin_data.proto and api.proto.
package struct Hyperparameters {
  /// An option.
  package struct Column {
    package let name: String
    /// Whether its values are numbers.
    package let isNumber: Bool
    /// Whether it is shown before the others; TensorBoard shows five columns until a user asks for more.
    package let isFirst: Bool
    /// The values that a text can have; TensorBoard offers to filter by them. Empty if it can be any text.
    package let choices: [String]

    package init(_ name: String, isNumber: Bool, isFirst: Bool = false, choices: [String] = []) {
      self.name = name
      self.isNumber = isNumber
      self.isFirst = isFirst
      self.choices = choices
    }
  }

  package enum Status: Int {
    case success = 1
    case failure = 2
  }

  /// A scalar that is a column of the table.
  package struct Metric {
    package let tag: String
    package let title: String

    package init(tag: String, title: String) {
      self.tag = tag
      self.title = title
    }
  }

  /// TensorBoard takes the columns of one of the trainings that it shows: they had better be the same in all.
  package let columns: [Column]
  /// By the name of the column; those of other names are not shown.
  package let values: [String: String]
  package let metrics: [Metric]

  /// - Parameter metrics: tags of the run that this is written to.
  package init(columns: [Column], values: [String: String], metrics: [Metric]) {
    self.columns = columns
    self.values = values
    self.metrics = metrics
  }

  /// What all tags begin with.
  package static let tags = "_hparams_/"

  /// The columns, and the start of the training. A training without an end is shown as running.
  ///
  /// - Parameter time: seconds since 1970.
  package func start(at time: Double) -> [SummaryValue] {
    var experiment = ProtobufMessage()
    for column in columns {
      var message = ProtobufMessage()
      message.add(1, column.name)
      message.add(4, column.isNumber ? 3 : 1)
      if !column.choices.isEmpty {
        var domain = ProtobufMessage()
        for choice in column.choices {
          var value = ProtobufMessage()
          value.add(3, choice)
          domain.add(1, value)
        }
        message.add(5, domain)
      }
      if column.isFirst { message.add(7, 1) }
      experiment.add(4, message)
    }
    for metric in metrics {
      var name = ProtobufMessage()
      name.add(2, metric.tag)
      var column = ProtobufMessage()
      column.add(1, name)
      column.add(3, metric.title)
      experiment.add(5, column)
    }
    var start = ProtobufMessage()
    for column in columns {
      guard let value = values[column.name] else { continue }
      var content = ProtobufMessage()
      if column.isNumber, let number = Double(value) { content.add(2, double: number) } else { content.add(3, value) }
      var entry = ProtobufMessage()
      entry.add(1, column.name)
      entry.add(2, content)
      start.add(1, entry)
    }
    // Without a group's name the row has that of the run's folder: trainings of one name would be one row.
    start.add(5, double: time)
    return [
      Self.value("experiment", field: 2, experiment), Self.value("session_start_info", field: 3, start),
    ]
  }

  /// The end of the training.
  ///
  /// - Parameter time: seconds since 1970.
  package static func end(_ status: Status, at time: Double) -> SummaryValue {
    var end = ProtobufMessage()
    end.add(1, status.rawValue)
    end.add(2, double: time)
    return value("session_end_info", field: 4, end)
  }

  private static func value(_ name: String, field: Int, _ message: ProtobufMessage) -> SummaryValue {
    var data = ProtobufMessage()
    data.add(field, message)
    return SummaryValue(
      tags + name, SummaryValue.empty, plugin: "hparams", content: data.encoded)
  }
}
