import Foundation

/// A page as a tree of elements. Refuses what HTML forgives: each element must be closed, in order, and an id must occur
/// once.
final class ParsedPage {
  final class Element {
    let name: String
    let attributes: [String: String]
    fileprivate(set) var children: [Node] = []

    init(_ name: String, _ attributes: [String: String]) {
      self.name = name
      self.attributes = attributes
    }

    enum Node {
      case text(String)
      case element(Element)
    }

    var elements: [Element] {
      children.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    /// The element and all that it holds, in the order of the page.
    var descendants: [Element] { [self] + elements.flatMap(\.descendants) }

    func all(_ name: String, class className: String? = nil) -> [Element] {
      descendants.filter { $0.name == name && (className.map($0.hasClass) ?? true) }
    }

    func hasClass(_ name: String) -> Bool { (attributes["class"] ?? "").split(separator: " ").contains(name[...]) }

    /// Texts of all that it holds.
    var text: String {
      children.map {
        switch $0 {
        case .text(let text): text
        case .element(let element): element.text
        }
      }.joined()
    }
  }

  struct Malformed: Error {
    let reason: String
  }

  let root = Element("", [:])

  init(_ text: String) throws {
    var rest = text[...]
    guard rest.hasPrefix("<!DOCTYPE html>\n") else { throw Malformed(reason: "no document type") }
    rest = rest.dropFirst("<!DOCTYPE html>\n".count)
    var open = [root]
    var ids = Set<String>()
    while !rest.isEmpty {
      let (name, parent) = (open[open.count - 1].name, open[open.count - 1])
      if name == "script" || name == "style" {
        guard let end = rest.range(of: "</\(name)>") else { throw Malformed(reason: "\(name) does not end") }
        parent.children.append(.text(String(rest[..<end.lowerBound])))
        rest = rest[end.upperBound...]
        open.removeLast()
        continue
      }
      guard let begin = rest.utf8.firstIndex(of: UInt8(ascii: "<")) else { break }
      if begin > rest.startIndex { parent.children.append(.text(try Self.unescaped(rest[..<begin]))) }
      guard let end = rest[begin...].utf8.firstIndex(of: UInt8(ascii: ">")) else {
        throw Malformed(reason: "a tag does not end")
      }
      let tag = rest[rest.index(after: begin)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.hasPrefix("/") {
        guard tag.dropFirst() == name else { throw Malformed(reason: "\(tag) closes \(name)") }
        open.removeLast()
        continue
      }
      let element = try Self.element(tag)
      if let id = element.attributes["id"], !ids.insert(id).inserted {
        throw Malformed(reason: "id \(id) is there twice")
      }
      parent.children.append(.element(element))
      if !["br", "hr", "img", "input", "link", "meta"].contains(element.name) { open.append(element) }
    }
    guard open.count == 1 else { throw Malformed(reason: "\(open[open.count - 1].name) is not closed") }
  }

  private static func element(_ tag: Substring) throws -> Element {
    let name = tag.prefix { $0 != " " }
    var rest = tag.dropFirst(name.count)
    var attributes: [String: String] = [:]
    while let start = rest.firstIndex(where: { $0 != " " }) {
      rest = rest[start...]
      let key = rest.prefix { $0 != "=" && $0 != " " }
      rest = rest.dropFirst(key.count)
      var value = ""
      if rest.hasPrefix("=\"") {
        rest = rest.dropFirst(2)
        guard let quote = rest.firstIndex(of: "\"") else {
          throw Malformed(reason: "an attribute of \(name) does not end")
        }
        value = try unescaped(rest[..<quote])
        rest = rest[rest.index(after: quote)...]
      }
      guard attributes.updateValue(value, forKey: String(key)) == nil else {
        throw Malformed(reason: "\(name) has \(key) twice")
      }
    }
    return Element(String(name), attributes)
  }

  private static let entities: KeyValuePairs = ["&lt;": "<", "&gt;": ">", "&quot;": "\"", "&#39;": "'", "&amp;": "&"]

  private static func unescaped(_ text: Substring) throws -> String {
    let bytes = text.utf8
    guard !bytes.contains(UInt8(ascii: "<")), !bytes.contains(UInt8(ascii: "\"")) else {
      throw Malformed(reason: "\(text) is not escaped")
    }
    var rest = text
    var result = ""
    while let ampersand = rest.utf8.firstIndex(of: UInt8(ascii: "&")) {
      result += rest[..<ampersand]
      rest = rest[ampersand...]
      guard let (entity, character) = entities.first(where: { rest.hasPrefix($0.key) }) else {
        throw Malformed(reason: "\(text) is not escaped")
      }
      result += character
      rest = rest.dropFirst(entity.count)
    }
    return result + rest
  }

  // MARK: - Parts of a report

  func section(_ id: String) throws -> Element {
    guard let section = root.all("section").first(where: { $0.attributes["id"] == id }) else {
      throw Malformed(reason: "there is no section \(id)")
    }
    return section
  }

  /// The sentences in place of figures that are not there.
  func missing(_ id: String) throws -> [String] { try section(id).all("p", class: "missing").map(\.text) }

  /// The chart of a title.
  func chart(_ title: String) throws -> Element {
    let charts = root.all("figure", class: "chart")
    guard let chart = charts.first(where: { $0.all("figcaption").first?.text.hasPrefix(title) ?? false }) else {
      throw Malformed(reason: "there is no chart \(title)")
    }
    return chart
  }
}

extension ParsedPage.Element {
  /// The body of a table: in each row the text of its heading, and the exact values of its cells.
  var figures: [(heading: String, values: [Double?])] {
    (all("tbody").first?.elements ?? []).map { row in
      let cells = row.elements
      return (
        cells[0].text,
        cells.dropFirst().filter { !$0.hasClass("bar") }.map { $0.attributes["data-value"].flatMap(Double.init) }
      )
    }
  }

  /// The headings of a table's columns.
  var columns: [String] { all("thead").first?.all("th").map(\.text) ?? [] }
}
