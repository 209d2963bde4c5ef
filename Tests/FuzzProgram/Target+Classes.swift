import Cityscapes
import Foundation
import System
import Tensors

extension Target {
  /// The file of `--classes`.
  static func classes(_ folder: Folder) throws -> Target {
    let seed = #"""
      {"name": "CamVid", "classes": [{"name": "sky", "id": 0, "color": [128, 128, 128], "category": "a"},
      {"name": "road", "id": 3, "category": "b"}], "ignored": [11, {"id": 255, "name": "void", "color": [0, 0, 0]}],
      "images": "images/{split}/{name}.png", "labels": "{split}annot/{name}_L.png",
      "splits": {"train": "training", "val": "val"}}
      """#
    return Target(
      name: "classes", share: 5, seeds: [Array(seed.utf8)],
      words: [
        "{split}", "{name}", "..", "/", "null", "true", "1e3", "-1", "256", "[", "{", "\"id\":", "\"name\":", "\\u0000",
      ]
    ) { input in
      let table = try LabelTable(contentsOf: folder.write(input, as: "classes.json"))
      let again = try LabelTable(text: table.text, in: "again")
      precondition(again == table, "read as another than it was written")
      precondition(table.difference(from: table, of: "itself") == nil)
      _ = table.files?.label(ofImage: "data/images/training/a.png", root: "data")
      // There are no images.
      _ = try? CityscapesDirectory(root: folder.path, files: table.files).list(.train)
    }
  }

  /// The texts of the augmentation's options, each of which is the input.
  static func augmentation() -> Target {
    let seeds = ["0.5,1,2", "0.5..2", "0.5..2:0.25", "brightness=0.4,contrast=0.4,saturation=0.4,hue=18", "0.15..1.3"]
    return Target(
      name: "augmentation", share: 2, seeds: seeds.map { Array($0.utf8) },
      words: ["..", "...", ":", ",", "=", "probability=", "hue=", "1e308", "nan", "inf", "0x1p-3", "-0"]
    ) { input in
      func require<Value: TextOption>(_ type: Value.Type, of text: String) throws {
        let value = try Value(parsing: text)
        let again = try Value(parsing: value.description)
        precondition(again == value, "read as another than it was written")
      }
      let text = String(decoding: input, as: UTF8.self)
      _ = try? require(ColorDistortion.self, of: text)
      _ = try? require(BlurRange.self, of: text)
      try require(ScaleFactors.self, of: text)
    }
  }

  /// The file of class centroids.
  static func centroids() throws -> Target {
    let places = (0..<3).map { sample in
      ClassCentroids.Place(sample: sample, centroid: Centroid(row: 9 * sample, column: 100 + sample))
    }
    let centroids = ClassCentroids(pixels: [70, 0, 5], places: [places, [], [places[1]]])
    return Target(
      name: "class centroids", share: 3, seeds: [[UInt8](try ClassCentroidsFile.encode(centroids, source: 9))],
      words: ["[", "]", "-1", "65536", "9223372036854775808", "1e9", "null", "\"places\":"],
      repair: { [UInt8](ChecksummedText.encode(Data($0.dropFirst(17)))) }
    ) { input in
      struct Refused: Error, CustomStringConvertible {
        let description = "centroids.json: is damaged; it is made again"
      }
      guard let read = ClassCentroidsFile.decode(Data(input), source: 9, samples: 3, classes: 3) else {
        throw Refused()
      }
      let sampling = ClassUniformSampling(seed: 1, drawsPerClass: 1, centroids: read)
      for draw in Shuffle.classUniform(sampling).draws(epoch: 0, count: 3) {
        _ = Augmentation.random(
          seed: 1, epoch: 0, index: draw.index, occurrence: draw.occurrence, centroid: draw.centroid,
          image: Size(100, 200), crop: Size(64, 64))
      }
    }
  }
}
