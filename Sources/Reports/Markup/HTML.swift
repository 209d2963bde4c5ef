import System

/// A part of an HTML document. Text and the values of attributes are escaped when they are written: the name of a file or
/// a class may hold any characters.
package indirect enum HTML: Sendable {
  case text(String)
  case element(String, attributes: [(name: String, value: String)], [HTML])
  case group([HTML])
  /// A style sheet or a script of this program, written as it is.
  case verbatim(String)
}

/// Collects the children of an element; a `String` is text.
@resultBuilder
package enum HTMLBuilder {
  package static func buildExpression(_ text: String) -> [HTML] { [.text(text)] }
  package static func buildExpression(_ part: HTML) -> [HTML] { [part] }
  package static func buildExpression(_ part: HTML?) -> [HTML] { part.map { [$0] } ?? [] }
  package static func buildExpression(_ parts: [HTML]) -> [HTML] { parts }
  package static func buildBlock(_ parts: [HTML]...) -> [HTML] { parts.flatMap(\.self) }
  package static func buildOptional(_ parts: [HTML]?) -> [HTML] { parts ?? [] }
  package static func buildEither(first parts: [HTML]) -> [HTML] { parts }
  package static func buildEither(second parts: [HTML]) -> [HTML] { parts }
  package static func buildArray(_ parts: [[HTML]]) -> [HTML] { parts.flatMap(\.self) }
}

extension HTML {
  /// An element.
  ///
  /// - Parameter attributes: those whose value is nil are left out; an empty value makes a Boolean attribute.
  package static func tag(
    _ name: String, _ attributes: KeyValuePairs<String, String?> = [:], @HTMLBuilder _ children: () -> [HTML] = { [] }
  ) -> HTML {
    .element(name, attributes: attributes.compactMap { key, value in value.map { (key, $0) } }, children())
  }

  /// Elements without an end tag.
  private static let void: Set = ["br", "hr", "img", "input", "link", "meta"]

  /// The document text.
  package var rendered: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to output: inout String) {
    switch self {
    case .text(let text): Self.escape(text, into: &output)
    case .verbatim(let text): output += text
    case .group(let parts): for part in parts { part.write(to: &output) }
    case .element(let name, let attributes, let children):
      output += "<" + name
      for (key, value) in attributes {
        output += " " + key
        guard !value.isEmpty || key == "alt" || key == "value" else { continue }
        output += "=\""
        Self.escape(value, into: &output)
        output += "\""
      }
      output += ">"
      if Self.void.contains(name) { return }
      for child in children { child.write(to: &output) }
      output += "</" + name + ">"
    }
  }

  private static func escape(_ text: String, into output: inout String) {
    guard text.utf8.contains(where: { $0 < 0x20 || $0 > 0x7E || [0x26, 0x3C, 0x3E, 0x22, 0x27].contains($0) }) else {
      output += text
      return
    }
    for scalar in text.printable.unicodeScalars {
      switch scalar {
      case "&": output += "&amp;"
      case "<": output += "&lt;"
      case ">": output += "&gt;"
      case "\"": output += "&quot;"
      case "'": output += "&#39;"
      case "\n", "\t": output.unicodeScalars.append(scalar)
      // HTML has no control characters and no noncharacters.
      case _ where scalar.isControl || scalar.properties.isNoncharacterCodePoint: output += "\u{FFFD}"
      default: output.unicodeScalars.append(scalar)
      }
    }
  }
}
