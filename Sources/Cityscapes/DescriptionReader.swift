import Foundation
import System

/// Any JSON value.
indirect enum JSONTree: Decodable {
  case null
  case boolean
  case number(Double)
  case text(String)
  case list([JSONTree])
  case object([String: JSONTree])

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    if let object = try? decoder.container(keyedBy: Key.self) {
      let entries = try object.allKeys.map { ($0.stringValue, try object.decode(JSONTree.self, forKey: $0)) }
      self = .object([String: JSONTree](entries) { first, _ in first })
    } else if var list = try? decoder.unkeyedContainer() {
      var values: [JSONTree] = []
      while !list.isAtEnd { values.append(try list.decode(JSONTree.self)) }
      self = .list(values)
    } else {
      let value = try decoder.singleValueContainer()
      if value.decodeNil() {
        self = .null
      } else if (try? value.decode(Bool.self)) != nil {
        self = .boolean
      } else if let number = try? value.decode(Double.self) {
        self = .number(number)
      } else {
        self = .text(try value.decode(String.self))
      }
    }
  }
}

/// Reads the description of a data set, and refuses whatever it does not know.
struct DescriptionReader {
  typealias Failure = LabelTableError

  /// Far more than 254 classes need.
  static let maximumBytes = 1 << 20
  private static let longestText = 200

  /// Of the file, for errors.
  let path: String

  func error(_ key: String, _ problem: String, _ remedy: String) -> Failure {
    // Keys may hold anything; an error is one line.
    func line(_ text: String) -> String { String(text.prefix(300).map { Self.isPrintable($0) ? $0 : "\u{FFFD}" }) }
    return Failure(path: path, key: line(key), problem: line(problem), remedy: remedy)
  }

  func table(_ data: Data) throws(Failure) -> LabelTable {
    let tree: JSONTree
    do {
      tree = try JSON.decode(JSONTree.self, from: data)
    } catch {
      throw self.error("", "is no JSON\(Self.place(of: error))", "correct it there")
    }
    return try table(tree)
  }

  /// Where a text stops to be JSON, if the decoder says so.
  private static func place(of error: any Error) -> String {
    guard case DecodingError.dataCorrupted(let context) = error, let cause = context.underlyingError else { return "" }
    let text = (cause as NSError).userInfo["NSDebugDescription"].map { "\($0)" } ?? ""
    guard let line = text.range(of: #"line [0-9]+, column [0-9]+"#, options: .regularExpression) else { return "" }
    return " from \(text[line]) on"
  }

  func table(_ tree: JSONTree) throws(Failure) -> LabelTable {
    let keys = ["name", "classes", "ignored", "images", "labels", "splits"]
    let top = try object(tree, "", keys: keys)
    let name = try text(required(top, "name", "", "give the data set a name"), "name")
    let classes = try self.classes(
      required(top, "classes", "", #"list the classes, as [{"name": "road", "id": 0, "color": [128, 64, 128]}, …]"#))
    var ignored: [LabelTable.Entry] = []
    if let tree = top["ignored"] { ignored = try self.ignored(tree, beside: classes) }
    return LabelTable(name: name, classes: classes, ignored: ignored, files: try files(top))
  }

  // MARK: - Labels

  private func classes(_ tree: JSONTree) throws(Failure) -> [LabelTable.Entry] {
    guard case .list(let list) = tree else { throw error("classes", "is no list", "give a list of classes") }
    guard (2...LabelTable.maximumClasses).contains(list.count) else {
      throw error(
        "classes", "has \(list.count) \(list.count == 1 ? "entry" : "entries")",
        "give 2 to \(LabelTable.maximumClasses) classes")
    }
    var classes: [LabelTable.Entry] = []
    for (trainId, tree) in list.enumerated() {
      let key = "classes[\(trainId)]"
      let entry = try object(tree, key, keys: ["name", "id", "color", "category"])
      let name = try text(required(entry, "name", key, "give each class a name"), "\(key).name")
      if let other = classes.firstIndex(where: { $0.name == name }) {
        throw error("\(key).name", "\(name) is the name of classes[\(other)] too", "give each class another name")
      }
      let id = try byte(required(entry, "id", key, "give its value in the label maps"), "\(key).id")
      if let other = classes.firstIndex(where: { $0.id == id }) {
        throw error("\(key).id", "\(id) is the id of classes[\(other)] too", "give each class another id")
      }
      var (rgb, category) = (Self.defaultColor(trainId), nil as String?)
      if let tree = entry["color"] { rgb = try color(tree, "\(key).color") }
      if let tree = entry["category"] { category = try text(tree, "\(key).category") }
      classes.append(LabelTable.Entry(name: name, id: id, category: category, rgb: rgb))
    }
    if classes.contains(where: { $0.category != nil }),
      let missing = classes.firstIndex(where: { $0.category == nil })
    {
      throw error(
        "classes[\(missing)].category", "is missing, but other classes have one",
        "give each class a category, or none of them")
    }
    return classes
  }

  private func ignored(_ tree: JSONTree, beside classes: [LabelTable.Entry]) throws(Failure) -> [LabelTable.Entry] {
    guard case .list(let list) = tree else { throw error("ignored", "is no list", "give a list of ids") }
    var ignored: [LabelTable.Entry] = []
    for (index, tree) in list.enumerated() {
      let key = "ignored[\(index)]"
      var (name, rgb, idKey) = (nil as String?, SIMD3<UInt8>(0, 0, 0), key)
      var value = tree
      if case .object = tree {
        let entry = try object(tree, key, keys: ["name", "id", "color"])
        idKey += ".id"
        value = try required(entry, "id", key, "give its value in the label maps")
        if let tree = entry["name"] { name = try text(tree, "\(key).name") }
        if let tree = entry["color"] { rgb = try color(tree, "\(key).color") }
      }
      let id = try byte(value, idKey)
      if let other = classes.firstIndex(where: { $0.id == id }) {
        throw error(idKey, "\(id) is the id of classes[\(other)] too", "remove it from one of them")
      }
      if let other = ignored.firstIndex(where: { $0.id == id }) {
        throw error(idKey, "\(id) is the id of ignored[\(other)] too", "name each id once")
      }
      ignored.append(LabelTable.Entry(name: name ?? "ignored", id: id, rgb: rgb))
    }
    return ignored
  }

  private func color(_ tree: JSONTree, _ key: String) throws(Failure) -> SIMD3<UInt8> {
    guard case .list(let list) = tree, list.count == 3 else {
      throw error(key, "is no list of three numbers", "give red, green and blue from 0 to 255, as [128, 64, 128]")
    }
    var rgb = SIMD3<UInt8>()
    for index in 0..<3 { rgb[index] = try byte(list[index], "\(key)[\(index)]") }
    return rgb
  }

  /// The color of a class that has none: the color map of PASCAL VOC, from its first object class on. The bits of the number,
  /// three at a time, are the highest bits of red, green and blue, then the next ones.
  static func defaultColor(_ trainId: Int) -> SIMD3<UInt8> {
    var (rgb, rest) = (SIMD3<UInt8>(), trainId + 1)
    for bit in 0..<8 {
      for channel in 0..<3 { rgb[channel] |= UInt8(rest >> channel & 1) << UInt8(7 - bit) }
      rest >>= 3
    }
    return rgb
  }

  // MARK: - Files

  private func files(_ top: [String: JSONTree]) throws(Failure) -> FilePatterns {
    let images = try pattern(top, "images", example: "images/{split}/{name}.png")
    let labels = try pattern(top, "labels", example: "labels/{split}/{name}.png")
    guard images.contains(FilePatterns.split) else {
      throw error(
        "images", "\(images) has no {split}",
        "put {split} where the name of the split stands, as images/{split}/{name}.png")
    }
    guard images != labels else {
      throw error("labels", "is the pattern of images too", "give the names of the label maps")
    }
    var splits: [Split: String] = [:]
    if let tree = top["splits"] {
      for (name, tree) in try object(tree, "splits", keys: Split.allCases.map(\.rawValue)).sorted(by: {
        $0.key < $1.key
      }) {
        guard let split = Split(rawValue: name) else { continue }
        let text = try self.text(tree, "splits.\(name)")
        try requireInside(text, "splits.\(name)")
        splits[split] = text
      }
    }
    let names = Split.allCases.map { splits[$0] ?? $0.rawValue }
    if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw error("splits", "two splits are named \(twice)", "give each split a name of its own")
    }
    return FilePatterns(images: images, labels: labels, splits: splits)
  }

  private func pattern(_ top: [String: JSONTree], _ key: String, example: String) throws(Failure) -> String {
    let pattern = try text(required(top, key, "", "give the names below --data-path, as \(example)"), key)
    try requireInside(pattern, key)
    guard pattern.split(separator: FilePatterns.name, omittingEmptySubsequences: false).count == 2 else {
      throw error(
        key, "\(pattern) does not hold {name} once", "put {name} where the name of the image stands, as \(example)")
    }
    let rest = pattern.split(separator: FilePatterns.name).joined().split(separator: FilePatterns.split).joined()
    guard !rest.contains(where: { "{}".contains($0) }) else {
      throw error(key, "\(pattern) holds braces beside {split} and {name}", "use these two alone, as \(example)")
    }
    return pattern
  }

  /// Refuses paths that lead out of the folder of the data set.
  private func requireInside(_ path: String, _ key: String) throws(Failure) {
    guard !path.hasPrefix("/") else {
      throw error(key, "\(path) is an absolute path", "give it below --data-path")
    }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
      throw error(key, "\(path) has a part that is empty, . or ..", "give it below --data-path, without such parts")
    }
  }

  // MARK: - Values

  private static func isPrintable(_ character: Character) -> Bool {
    !character.unicodeScalars.contains(where: \.isControl)
  }

  private func object(_ tree: JSONTree, _ key: String, keys: [String]) throws(Failure) -> [String: JSONTree] {
    guard case .object(let object) = tree else {
      throw error(key, "is no JSON object", "give {…} with \(keys.joined(separator: ", "))")
    }
    if let unknown = object.keys.filter({ !keys.contains($0) }).min() {
      throw error(
        key.isEmpty ? unknown : "\(key).\(unknown)", "there is no such key", "give \(keys.joined(separator: ", "))")
    }
    return object
  }

  private func required(
    _ object: [String: JSONTree], _ name: String, _ key: String, _ remedy: String
  ) throws(Failure) -> JSONTree {
    guard let value = object[name] else { throw error(key.isEmpty ? name : "\(key).\(name)", "is missing", remedy) }
    return value
  }

  private func text(_ tree: JSONTree, _ key: String) throws(Failure) -> String {
    guard case .text(let text) = tree, !text.isEmpty, text.count <= Self.longestText,
      text.allSatisfy(Self.isPrintable)
    else {
      throw error(key, "is no text of 1 to \(Self.longestText) printable characters", "give one in quotation marks")
    }
    return text
  }

  private func byte(_ tree: JSONTree, _ key: String) throws(Failure) -> UInt8 {
    guard case .number(let number) = tree, let byte = UInt8(exactly: number) else {
      throw error(key, "is no whole number from 0 to 255", "give one")
    }
    return byte
  }
}
