import Foundation

/// How many pixels of label maps have each label id.
package struct LabelCounts: Equatable, Sendable {
  /// By label id, 0 … `Label.largestId`.
  package private(set) var pixels = [Int](repeating: 0, count: Int(Label.largestId) + 1)

  package init() {}

  /// - Parameter pixels: as many as there are label ids.
  package init(pixels: [Int]) {
    precondition(pixels.count == self.pixels.count)
    self.pixels = pixels
  }

  /// - Parameter labelIds: 0 … `Label.largestId`.
  package init(labelIds: [UInt8]) {
    for id in labelIds { pixels[Int(id)] += 1 }
  }

  package static func += (left: inout LabelCounts, right: LabelCounts) {
    for id in left.pixels.indices { left.pixels[id] += right.pixels[id] }
  }

  /// Whether any pixel has a class.
  package var hasClasses: Bool { Label.classes.contains { count($0) > 0 } }

  /// Pixels of a class.
  private func count(_ label: Label) -> Int { pixels[label.id] }

  /// The share of each class, in one line: "32.6 % road, 5.4 % sidewalk, …, 11.2 % ignored; no bus, train".
  package var shares: String {
    let total = Double(max(pixels.reduce(0, +), 1))
    func share(_ count: Int) -> String {
      let percent = 100 * Double(count) / total
      return percent < 0.05 ? "<0.1 %" : String(format: "%.1f %%", percent)
    }
    let present = Label.classes.filter { count($0) > 0 }
    let ignored = pixels.reduce(0, +) - present.reduce(0) { $0 + count($1) }
    let missing = Label.classes.filter { count($0) == 0 }.map(\.name)
    let shares = present.map { "\(share(count($0))) \($0.name)" } + (ignored > 0 ? ["\(share(ignored)) ignored"] : [])
    return shares.joined(separator: ", ")
      + (missing.isEmpty || present.isEmpty ? "" : "; no \(missing.joined(separator: ", "))")
  }

  /// Why these pixels cannot be the label ids of a whole split of street scenes; nil if they can.
  package var suspicion: String? {
    let classes = Label.classes.filter { count($0) > 0 }
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
    guard pixels.count == self.pixels.count, pixels.allSatisfy({ (0...1 << 40).contains($0) }) else {
      throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no counts of label ids"))
    }
    self.pixels = pixels
  }

  package func encode(to encoder: any Encoder) throws { try pixels.encode(to: encoder) }
}
