import Images

/// The labels of a data set: its classes, the ids in its label maps, and the names of its files. Train ids are the
/// positions of the classes.
///
/// Cityscapes is built in; a JSON file describes any other (documentation, Other data sets).
package struct LabelTable: Sendable, Equatable {
  /// A class, or a label that belongs to none.
  package struct Entry: Sendable, Equatable {
    package let name: String
    /// In label maps.
    package let id: UInt8
    /// Of several classes that count as one in the metrics of categories; nil if the data set has no categories.
    package let category: String?
    /// Red, green, blue.
    let rgb: SIMD3<UInt8>

    package var color: Palette.Color { (red: rgb.x, green: rgb.y, blue: rgb.z) }

    package init(name: String, id: UInt8, category: String? = nil, rgb: SIMD3<UInt8>) {
      self.name = name
      self.id = id
      self.category = category
      self.rgb = rgb
    }
  }

  package let name: String
  /// By train id; 2 to `maximumClasses`.
  package let classes: [Entry]
  /// The labels whose pixels belong to no class.
  package let ignored: [Entry]
  /// Names of files; nil for Cityscapes' layout.
  package let files: FilePatterns?

  /// Colors of the classes, by train id.
  package let palette: [Palette.Color]
  /// Train ids by label id, a table of 256; `Label.ignored` for other bytes.
  package let trainIds: [UInt8]
  /// Label ids by train id, a table of 256; 0 for bytes that are no class.
  package let ids: [UInt8]
  /// Colors of the label ids from 0 on, black for those that no label has.
  package let idPalette: [Palette.Color]
  /// In the order of their first classes; empty if the data set has none.
  package let categories: [String]
  /// The index in `categories` of each class, by train id.
  package let categoryOfClass: [Int]
  /// The bytes that a label map may hold.
  let isLabel: [Bool]

  /// Train ids are bytes, of which 255 is `Label.ignored`.
  package static let maximumClasses = 254

  init(name: String, classes: [Entry], ignored: [Entry], files: FilePatterns?) {
    precondition((2...Self.maximumClasses).contains(classes.count))
    (self.name, self.classes, self.ignored, self.files) = (name, classes, ignored, files)
    palette = classes.map(\.color)
    var (trainIds, ids) = ([UInt8](repeating: Label.ignored, count: 256), [UInt8](repeating: 0, count: 256))
    for (trainId, entry) in classes.enumerated() {
      trainIds[Int(entry.id)] = UInt8(trainId)
      ids[trainId] = entry.id
    }
    (self.trainIds, self.ids) = (trainIds, ids)
    let labels = classes + ignored
    var colors = [Palette.Color](
      repeating: (red: 0, green: 0, blue: 0), count: Int(labels.map(\.id).max() ?? 0) + 1)
    for entry in labels { colors[Int(entry.id)] = entry.color }
    idPalette = colors
    var isLabel = [Bool](repeating: false, count: 256)
    for entry in labels { isLabel[Int(entry.id)] = true }
    self.isLabel = isLabel
    let categories = classes.compactMap(\.category).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    self.categories = categories
    categoryOfClass = classes.compactMap { entry in entry.category.flatMap(categories.firstIndex) }
  }

  package static func == (one: LabelTable, other: LabelTable) -> Bool {
    one.name == other.name && one.classes == other.classes && one.ignored == other.ignored && one.files == other.files
  }

  /// The built-in table, whose layout is that of `CityscapesDirectory`.
  package static let cityscapes = LabelTable(
    name: "Cityscapes", classes: Label.classes.map(Entry.init),
    ignored: Label.table.filter { $0.id >= 0 && $0.trainId == Int(Label.ignored) }.map(Entry.init), files: nil)

  package var isCityscapes: Bool { files == nil }

  /// The label ids of a map of train ids; 0 for those that are no class.
  package func labelIds(_ trainIds: Image) -> Image {
    Image(trainIds.size, channels: 1, pixels: trainIds.pixels.map { ids[Int($0)] })
  }

  /// How many label ids there are, from 0 to the largest.
  package var idCount: Int { idPalette.count }
}

extension LabelTable.Entry {
  fileprivate init(_ label: Label) {
    self.init(
      name: label.name, id: UInt8(label.id), category: label.category.rawValue,
      rgb: SIMD3(label.color.red, label.color.green, label.color.blue))
  }
}

// MARK: - Comparison

extension LabelTable {
  /// Why a network with the classes of `other` does not have these; nil if it does. Ids, colors and file names belong to
  /// the label maps, not to the network: a network trained on Cityscapes can be evaluated on data with the same classes
  /// under other ids.
  ///
  /// - Parameter owner: of the other table, for the words.
  package func contradiction(to other: LabelTable, of owner: String) -> String? {
    for (trainId, (own, theirs)) in zip(classes, other.classes).enumerated() where own.name != theirs.name {
      return "class \(trainId) is \(own.name), but \(theirs.name) in \(owner)"
    }
    guard classes.count != other.classes.count else { return nil }
    return "has \(classes.count) classes, but \(owner) has \(other.classes.count)"
  }

  /// How the training labels of two tables differ, the first difference in words; nil if they are the same.
  package func difference(from other: LabelTable, of owner: String) -> String? {
    if let contradiction = contradiction(to: other, of: owner) { return contradiction }
    for (own, theirs) in zip(classes, other.classes) where own != theirs {
      if own.id != theirs.id { return "the id of \(own.name) is \(own.id), but \(theirs.id) in \(owner)" }
      if own.category != theirs.category {
        return
          "the category of \(own.name) is \(own.category ?? "missing"), but \(theirs.category ?? "missing") in \(owner)"
      }
      return "the color of \(own.name) is another than in \(owner)"
    }
    let (own, theirs) = (Set(ignored.map(\.id)), Set(other.ignored.map(\.id)))
    if let id = own.symmetricDifference(theirs).min() {
      return own.contains(id) ? "id \(id) is ignored, but not in \(owner)" : "id \(id) is not ignored, but in \(owner)"
    }
    return nil
  }
}
