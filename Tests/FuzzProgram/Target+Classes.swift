import Cityscapes
import Foundation

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
}
