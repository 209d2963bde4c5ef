import Images

/// A row of the Cityscapes label table.
package struct Label: Sendable {
  package let name: String
  /// The label id, as in `…_gtFine_labelIds.png`; −1 for the license plate, which occurs in no file.
  package let id: Int
  /// The train id: 0 ..< `classCount`, `ignored`, or −1 for the license plate.
  package let trainId: Int
  package let category: Category
  package let color: Palette.Color
  /// Whether evaluation skips pixels of this label.
  package let ignoredInEvaluation: Bool

  /// A group of labels.
  package enum Category: String, CaseIterable, Codable, Sendable {
    case void, flat, construction, object, nature, sky, human, vehicle

    /// The seven categories with metrics: all but `void`.
    package static let evaluated: [Category] = allCases.filter { $0 != .void }
  }

  private init(
    _ name: String, _ id: Int, _ trainId: Int, _ category: Category, _ color: (UInt8, UInt8, UInt8), ignored: Bool
  ) {
    self.name = name
    self.id = id
    self.trainId = trainId
    self.category = category
    self.color = (red: color.0, green: color.1, blue: color.2)
    ignoredInEvaluation = ignored
  }
}

extension Label {
  /// The train id of pixels that belong to no class.
  package static let ignored: UInt8 = 255

  /// The number of classes; their train ids are 0 ..< 19.
  package static let classCount = 19

  /// The largest label id; the smallest in a file is 0.
  package static let largestId: UInt8 = 33

  /// The 19 classes, by train id.
  package static let classes: [Label] =
    table.filter { (0..<classCount).contains($0.trainId) }.sorted { $0.trainId < $1.trainId }

  /// Colors of the 19 classes, by train id.
  package static let palette: [Palette.Color] = classes.map(\.color)

  /// Train ids by label id, a table of 256; bytes that are no label id are ignored.
  package static let trainIds: [UInt8] = {
    var map = [UInt8](repeating: ignored, count: 256)
    for label in table where label.id >= 0 { map[label.id] = UInt8(label.trainId) }
    return map
  }()

  /// Label ids by train id, a table of 256; 0 (unlabeled) for bytes that are no class.
  package static let ids: [UInt8] = {
    var map = [UInt8](repeating: 0, count: 256)
    for label in classes { map[label.trainId] = UInt8(label.id) }
    return map
  }()

  /// Colors of the label ids 0 … 33.
  package static let idPalette: [Palette.Color] = table.filter { $0.id >= 0 }.sorted { $0.id < $1.id }.map(\.color)

  /// The index in `Category.evaluated` of each class, by train id.
  package static let categoryOfClass: [Int] = classes.compactMap { Category.evaluated.firstIndex(of: $0.category) }

  /// All labels, in the order of cityscapesScripts.
  package static let table: [Label] = [
    Label("unlabeled", 0, 255, .void, (0, 0, 0), ignored: true),
    Label("ego vehicle", 1, 255, .void, (0, 0, 0), ignored: true),
    Label("rectification border", 2, 255, .void, (0, 0, 0), ignored: true),
    Label("out of roi", 3, 255, .void, (0, 0, 0), ignored: true),
    Label("static", 4, 255, .void, (0, 0, 0), ignored: true),
    Label("dynamic", 5, 255, .void, (111, 74, 0), ignored: true),
    Label("ground", 6, 255, .void, (81, 0, 81), ignored: true),
    Label("road", 7, 0, .flat, (128, 64, 128), ignored: false),
    Label("sidewalk", 8, 1, .flat, (244, 35, 232), ignored: false),
    Label("parking", 9, 255, .flat, (250, 170, 160), ignored: true),
    Label("rail track", 10, 255, .flat, (230, 150, 140), ignored: true),
    Label("building", 11, 2, .construction, (70, 70, 70), ignored: false),
    Label("wall", 12, 3, .construction, (102, 102, 156), ignored: false),
    Label("fence", 13, 4, .construction, (190, 153, 153), ignored: false),
    Label("guard rail", 14, 255, .construction, (180, 165, 180), ignored: true),
    Label("bridge", 15, 255, .construction, (150, 100, 100), ignored: true),
    Label("tunnel", 16, 255, .construction, (150, 120, 90), ignored: true),
    Label("pole", 17, 5, .object, (153, 153, 153), ignored: false),
    Label("polegroup", 18, 255, .object, (153, 153, 153), ignored: true),
    Label("traffic light", 19, 6, .object, (250, 170, 30), ignored: false),
    Label("traffic sign", 20, 7, .object, (220, 220, 0), ignored: false),
    Label("vegetation", 21, 8, .nature, (107, 142, 35), ignored: false),
    Label("terrain", 22, 9, .nature, (152, 251, 152), ignored: false),
    Label("sky", 23, 10, .sky, (70, 130, 180), ignored: false),
    Label("person", 24, 11, .human, (220, 20, 60), ignored: false),
    Label("rider", 25, 12, .human, (255, 0, 0), ignored: false),
    Label("car", 26, 13, .vehicle, (0, 0, 142), ignored: false),
    Label("truck", 27, 14, .vehicle, (0, 0, 70), ignored: false),
    Label("bus", 28, 15, .vehicle, (0, 60, 100), ignored: false),
    Label("caravan", 29, 255, .vehicle, (0, 0, 90), ignored: true),
    Label("trailer", 30, 255, .vehicle, (0, 0, 110), ignored: true),
    Label("train", 31, 16, .vehicle, (0, 80, 100), ignored: false),
    Label("motorcycle", 32, 17, .vehicle, (0, 0, 230), ignored: false),
    Label("bicycle", 33, 18, .vehicle, (119, 11, 32), ignored: false),
    Label("license plate", -1, -1, .vehicle, (0, 0, 142), ignored: true),
  ]
}
