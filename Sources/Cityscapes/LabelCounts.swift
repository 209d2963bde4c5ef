import Foundation

/// How many pixels of label maps have each label id.
package struct LabelCounts: Equatable, Sendable {
  /// By label id, from 0 on.
  package private(set) var pixels: [Int]

  /// - Parameter ids: how many label ids there are.
  package init(ids: Int = LabelTable.cityscapes.idCount) { pixels = [Int](repeating: 0, count: ids) }

  /// - Parameter labelIds: 0 ..< `ids`.
  package init(labelIds: [UInt8], ids: Int = LabelTable.cityscapes.idCount) {
    self.init(ids: ids)
    for id in labelIds { pixels[Int(id)] += 1 }
  }

  /// Counts train ids under the label ids of their classes. Ignored pixels get an id of their own beyond those of the table.
  package init(trainIds: [UInt8], _ table: LabelTable = .cityscapes) {
    self.init(ids: table.idCount + 1)
    for id in trainIds {
      pixels[Int(id) < table.classes.count ? Int(table.classes[Int(id)].id) : table.idCount] += 1
    }
  }

  package static func += (left: inout LabelCounts, right: LabelCounts) {
    precondition(left.pixels.count == right.pixels.count, "counts of one label table")
    for id in left.pixels.indices { left.pixels[id] += right.pixels[id] }
  }

  /// Whether any pixel has a class.
  package func hasClasses(_ table: LabelTable = .cityscapes) -> Bool { table.classes.contains { count($0) > 0 } }

  /// Pixels of a class.
  package func count(_ label: LabelTable.Entry) -> Int { pixels[Int(label.id)] }

  /// The share of each class, in one line: "32.6 % road, 5.4 % sidewalk, …, 11.2 % ignored; absent: bus, train".
  package func shares(_ table: LabelTable = .cityscapes) -> String {
    let total = pixels.reduce(0, +)
    func share(_ count: Int) -> String { Self.percent(count, of: total) }
    let present = table.classes.filter { count($0) > 0 }
    let ignored = total - present.reduce(0) { $0 + count($1) }
    let missing = table.classes.filter { count($0) == 0 }.map(\.name)
    let shares = present.map { "\(share(count($0))) \($0.name)" } + (ignored > 0 ? ["\(share(ignored)) ignored"] : [])
    return shares.joined(separator: ", ")
      + (missing.isEmpty || present.isEmpty ? "" : "; absent: \(missing.joined(separator: ", "))")
  }

  /// "12.3 %"; "<0.1 %" of a few pixels.
  package static func percent(_ count: Int, of total: Int) -> String {
    let percent = 100 * Double(count) / Double(max(total, 1))
    return count > 0 && percent < 0.05 ? "<0.1 %" : String(format: "%.1f %%", percent)
  }

  /// Why these pixels cannot be the label ids of a whole split, of street scenes in Cityscapes; nil if they can.
  package func suspicion(_ table: LabelTable = .cityscapes) -> String? {
    guard table.isCityscapes else { return hasClasses(table) ? nil : "no pixel of any class" }
    let classes = table.classes.filter { count($0) > 0 }
    // Train ids end at 18, as the label ids of roads, buildings and poles do; sky, vegetation and cars come after.
    guard pixels.dropFirst(Label.classCount).contains(where: { $0 > 0 }) else {
      return classes.isEmpty ? "no pixel of any class" : "no label id above 18, as if they were train ids"
    }
    return classes.count < 5 ? "\(classes.count) of \(Label.classCount) classes" : nil
  }
}

extension LabelCounts: Codable {
  package init(from decoder: any Decoder) throws {
    let pixels = try [Int](from: decoder)
    guard (1...256).contains(pixels.count), pixels.allSatisfy({ (0...1 << 40).contains($0) }) else {
      throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no counts of label ids"))
    }
    self.pixels = pixels
  }

  package func encode(to encoder: any Encoder) throws { try pixels.encode(to: encoder) }
}
