/// A JSON text, written as Python's `json.dump(value, indent=4, sort_keys=True, ensure_ascii=False)` writes it: numbers in
/// their shortest form, and `NaN` and `Infinity` for what is no finite number.
package enum JSONValue: Sendable, Equatable {
  case null
  case integer(Int64)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  /// A fraction, null for nil.
  package static func optional(_ number: Double?) -> JSONValue { number.map(JSONValue.number) ?? .null }

  /// The text, without a line end.
  package var text: String {
    var text = ""
    write(to: &text, indentation: "\n")
    return text
  }

  private func write(to text: inout String, indentation: String) {
    switch self {
    case .null: text += "null"
    case .integer(let value): text += "\(value)"
    case .number(let value): text += Self.python(value)
    case .text(let value): text += JSON.quoted(value)
    case .list(let values):
      Self.write(values, "[", "]", to: &text, indentation) { $0.write(to: &$1, indentation: $2) }
    case .object(let entries):
      // Python compares code points, as UTF-8 does.
      let sorted = entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      Self.write(sorted, "{", "}", to: &text, indentation) { entry, text, indentation in
        text += JSON.quoted(entry.key) + ": "
        entry.value.write(to: &text, indentation: indentation)
      }
    }
  }

  private static func write<Element>(
    _ elements: [Element], _ opening: String, _ closing: String, to text: inout String, _ indentation: String,
    _ body: (Element, inout String, String) -> Void
  ) {
    text += opening
    for (index, element) in elements.enumerated() {
      text += (index == 0 ? "" : ",") + indentation + "    "
      body(element, &text, indentation + "    ")
    }
    text += (elements.isEmpty ? "" : indentation) + closing
  }

  private static func python(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return "\(value)"
  }
}
