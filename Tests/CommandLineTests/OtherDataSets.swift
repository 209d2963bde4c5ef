import Foundation
import ImageFixtures
import Images
import Tensors
import Testing

/// Small data sets that are not Cityscapes, each with the file of `--classes` that describes it.
enum OtherDataSet: String, CaseIterable, CustomTestStringConvertible {
  /// 2 classes: PNG photographs with 1-bit masks beside them.
  case mask
  /// The 11 classes that SegNet's authors made of CamVid's: label maps with a palette, void as 11 and 255, a test split
  /// without labels.
  case camvid
  /// 150 classes, in ADE20K's layout: JPEG images of different sizes, smaller than a crop, and ids from 1 to 150.
  case ade

  var testDescription: String { rawValue }
  var classes: Int { names.count }
  var file: String { rawValue + ".json" }
  /// The arguments of `train`, which tests `--test never` unless there is a test split.
  var test: [String] { self == .camvid ? [] : ["--test", "never"] }

  var names: [String] {
    switch self {
    case .mask: ["background", "crack"]
    case .camvid:
      [
        "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
      ]
    case .ade: (1...150).map { "thing \($0)" }
    }
  }

  /// The label id of each class.
  func id(_ trainId: Int) -> UInt8 { UInt8(self == .ade ? trainId + 1 : trainId) }

  /// Those of pixels of no class.
  var ignored: [UInt8] {
    switch self {
    case .mask: []
    case .camvid: [11, 255]
    case .ade: [0]
    }
  }

  private static let camvidColors: [[Int]] = [
    [128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222], [128, 128, 0], [192, 128, 128],
    [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192],
  ]

  /// nil for the default colors.
  func color(_ trainId: Int) -> [Int]? { self == .camvid ? Self.camvidColors[trainId] : nil }

  var description: [String: Any] {
    let entries = names.enumerated().map { trainId, name in
      var entry: [String: Any] = ["name": name, "id": Int(id(trainId))]
      if let color = color(trainId) { entry["color"] = color }
      if self == .camvid { entry["category"] = [3, 4].contains(trainId) ? "flat" : "other" }
      return entry
    }
    var description: [String: Any] = [
      "name": rawValue, "classes": entries, "ignored": ignored.map(Int.init),
    ]
    switch self {
    case .mask: (description["images"], description["labels"]) = ("{split}/{name}.png", "{split}/{name}_mask.png")
    case .camvid: (description["images"], description["labels"]) = ("{split}/{name}.png", "{split}annot/{name}.png")
    case .ade:
      description["images"] = "images/{split}/{name}.jpg"
      description["labels"] = "annotations/{split}/{name}.png"
      description["splits"] = ["train": "training", "val": "validation"]
    }
    return description
  }

  // MARK: - Files

  struct Sample {
    let image: String
    let labels: String
    let size: Size
    let hasLabels: Bool
  }

  /// Of a split; below the folder of the data set.
  func samples(_ split: String) -> [Sample] {
    let count = ["train": 4, "val": 2][split] ?? (self == .camvid ? 1 : 0)
    return (0..<count).map { index in
      switch self {
      case .mask:
        Sample(
          image: "\(split)/m\(index).png", labels: "\(split)/m\(index)_mask.png", size: Size(32, 48), hasLabels: true)
      case .camvid:
        Sample(
          image: "\(split)/seq/f\(index).png", labels: "\(split)annot/seq/f\(index).png", size: Size(32, 48),
          hasLabels: split != "test")
      case .ade:
        Sample(
          image: "images/\(split == "train" ? "training" : "validation")/ADE_\(index).jpg",
          labels: "annotations/\(split == "train" ? "training" : "validation")/ADE_\(index).png",
          size: [Size(17, 15), Size(37, 21), Size(23, 37), Size(29, 37)][split == "train" ? index : index + 1],
          hasLabels: true)
      }
    }
  }

  /// The label ids of an image: areas of 5×4 pixels, some of them ignored.
  private func labelIds(_ size: Size, seed: Int) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<size.height {
      for x in 0..<size.width {
        let area = x / 5 * 7 + y / 4 * 11 + seed * 3
        pixels.append(
          area % 5 == 4 && !ignored.isEmpty ? ignored[area / 5 % ignored.count] : id(area % classes))
      }
    }
    return Image(size, channels: 1, pixels: pixels)
  }

  /// Writes the data set to `data`, and its description beside it.
  func write(to work: Workplace) throws {
    try work.write(JSONSerialization.data(withJSONObject: description), to: file)
    for split in ["train", "val", "test"] {
      for (index, sample) in samples(split).enumerated() {
        let (image, labels) = (work.place("data/" + sample.image), work.place("data/" + sample.labels))
        for path in [image, labels] {
          try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        }
        if self == .ade {
          let name = ["jpeg_small", "jpeg_tall", "jpeg_wide", "jpeg_rgb"][split == "train" ? index : index + 1]
          try work.copy(ImageFixtures.jpeg(name), to: "data/" + sample.image)
        } else {
          let (height, width) = (sample.size.height, sample.size.width)
          try PNG.write(Image.noise(height, width, channels: 3, seed: UInt64(index) + 1), to: image)
        }
        if sample.hasLabels { try write(labelIds(sample.size, seed: index), to: labels) }
      }
    }
  }

  private func write(_ ids: Image, to path: String) throws {
    switch self {
    case .ade: try PNG.write(ids, to: path)
    case .camvid:
      // The colors are not those of the classes: the index counts.
      let palette: [Palette.Color] = (0..<256).map { (red: UInt8(255 - $0), green: UInt8($0), blue: 9) }
      try PNG.write(indices: ids, palette: palette, to: path)
    case .mask:
      var file = CraftedPNG(
        width: UInt32(ids.size.width), height: UInt32(ids.size.height), bitDepth: 1, colorType: 0)
      file.rows = (0..<ids.size.height).flatMap { y -> [UInt8] in
        [0]
          + stride(from: 0, to: ids.size.width, by: 8).map { x in
            (0..<8).reduce(0) { $0 << 1 | (x + $1 < ids.size.width ? ids[y, x + $1, 0] : 0) }
          }
      }
      try Data(file.bytes).write(to: URL(fileURLWithPath: path))
    }
  }
}
