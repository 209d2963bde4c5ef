import Cityscapes
import Foundation
import ImageFixtures
import Testing

@Suite("Descriptions of other data sets")
struct LabelTableTests {
  private static let camvid = """
    {"name": "CamVid",
     "classes": [{"name": "sky", "id": 0, "color": [128, 128, 128], "category": "sky"},
                 {"name": "building", "id": 7, "color": [128, 0, 0], "category": "construction"},
                 {"name": "pole", "id": 2, "color": [192, 192, 128], "category": "construction"}],
     "ignored": [11, {"id": 255, "name": "void", "color": [1, 2, 3]}],
     "images": "images/{split}/{name}.png", "labels": "labels/{split}/{name}_L.png",
     "splits": {"train": "training", "val": "validation"}}
    """

  @Test("A description gives train ids, ids, colors and categories, in the order of its classes")
  func tables() throws {
    let table = try LabelTable(text: Self.camvid, in: "camvid.json")
    #expect(table.name == "CamVid" && table.classes.map(\.name) == ["sky", "building", "pole"])
    #expect(table.trainIds[0] == 0 && table.trainIds[7] == 1 && table.trainIds[2] == 2)
    #expect(table.trainIds.filter { $0 == Label.ignored }.count == 256 - 3)
    #expect(Array(table.ids.prefix(4)) == [0, 7, 2, 0])
    #expect(table.palette.map(\.red) == [128, 128, 192] && table.palette.count == 3)
    #expect(table.idPalette.count == 256 && table.idCount == 256)
    #expect(table.idPalette[7] == (red: 128, green: 0, blue: 0) && table.idPalette[255] == (red: 1, green: 2, blue: 3))
    #expect(table.categories == ["sky", "construction"] && table.categoryOfClass == [0, 1, 1])
    #expect(!table.isCityscapes)
  }

  @Test("What the program writes of a description is read as the same one, and stays small")
  func roundTrip() throws {
    let table = try LabelTable(text: Self.camvid, in: "camvid.json")
    #expect(try LabelTable(text: table.text, in: "model") == table)
    #expect(table.text.utf8.count < 2 * Self.camvid.utf8.count)
  }

  @Test("Cityscapes as a table is the label table of cityscapesScripts")
  func cityscapes() {
    let table = LabelTable.cityscapes
    #expect(table.isCityscapes && table.classes.map(\.name) == Label.classes.map(\.name))
    #expect(table.trainIds == Label.trainIds && table.ids == Label.ids)
    #expect(table.palette.elementsEqual(Label.palette, by: ==))
    #expect(table.idPalette.elementsEqual(Label.idPalette, by: ==))
    #expect(table.categories == Label.Category.evaluated.map(\.rawValue))
    #expect(table.categoryOfClass == Label.categoryOfClass)
  }

  @Test("Classes without colors have those of PASCAL VOC")
  func colors() throws {
    let text = #"""
      {"name": "x", "classes": [{"name": "a", "id": 0}, {"name": "b", "id": 1}, {"name": "c", "id": 2}, {"name": "d", "id": 3},
      {"name": "e", "id": 4}, {"name": "f", "id": 5}, {"name": "g", "id": 6}, {"name": "h", "id": 7}],
      "images": "{split}/{name}.png", "labels": "{split}annot/{name}.png"}
      """#
    let palette = try LabelTable(text: text, in: "x.json").palette
    #expect(palette[0] == (red: 128, green: 0, blue: 0) && palette[1] == (red: 0, green: 128, blue: 0))
    #expect(palette[6] == (red: 128, green: 128, blue: 128) && palette[7] == (red: 64, green: 0, blue: 0))
  }

  // MARK: - Errors

  /// A change of `camvid`, the key that the error names, and parts of the rest.
  struct Mistake: CustomTestStringConvertible {
    let old: String
    let new: String
    let key: String
    let saying: [String]

    init(_ old: String, _ new: String, _ key: String, _ saying: String...) {
      (self.old, self.new, self.key, self.saying) = (old, new, key, saying)
    }

    var testDescription: String { "\(key) \(new)" }
  }

  static let mistakes: [Mistake] = [
    Mistake(#""id": 7"#, #""id": 0"#, "classes[1].id: ", "0 is the id of classes[0] too", "another id"),
    Mistake(#""id": 7"#, #""id": 256"#, "classes[1].id: ", "no whole number from 0 to 255"),
    Mistake(#""id": 7"#, #""id": -1"#, "classes[1].id: ", "no whole number from 0 to 255"),
    Mistake(#""id": 7"#, #""id": 7.5"#, "classes[1].id: ", "no whole number from 0 to 255"),
    Mistake(#""id": 7"#, #""id": true"#, "classes[1].id: ", "no whole number from 0 to 255"),
    Mistake(#""id": 7, "#, "", "classes[1].id: ", "is missing", "give its value"),
    Mistake(#""building""#, #""sky""#, "classes[1].name: ", "sky is the name of classes[0] too"),
    Mistake(#""building""#, #""""#, "classes[1].name: ", "no text of 1 to 200"),
    Mistake(#""building""#, #""a\nb""#, "classes[1].name: ", "no text of 1 to 200"),
    Mistake(#""building""#, "5", "classes[1].name: ", "no text of 1 to 200"),
    Mistake("[128, 0, 0]", "[128, 0, 300]", "classes[1].color[2]: ", "no whole number from 0 to 255"),
    Mistake("[128, 0, 0]", "[128, 0]", "classes[1].color: ", "three numbers", "red, green and blue"),
    Mistake(#", "category": "sky""#, "", "classes[0].category: ", "is missing", "or none of them"),
    Mistake(#""color": [128, 0, 0]"#, #""colour": [128, 0, 0]"#, "classes[1].colour: ", "no such key", "color"),
    Mistake(#""name": "CamVid","#, "", "name: ", "is missing", "give the data set a name"),
    Mistake(#""ignored""#, #""ignore""#, "ignore: ", "there is no such key", "ignored"),
    Mistake("[11, ", "[11, 11, ", "ignored[1]: ", "11 is the id of ignored[0] too"),
    Mistake("[11, ", "[7, ", "ignored[0]: ", "7 is the id of classes[1] too", "remove it from one"),
    Mistake(#""id": 255"#, #""id": 999"#, "ignored[1].id: ", "no whole number"),
    Mistake("[11, {", "11, [{", "", "is no JSON"),
    Mistake("images/{split}/{name}.png", "images/{split}/x.png", "images: ", "does not hold {name} once", "put {name}"),
    Mistake("images/{split}/{name}.png", "{name}/{split}/{name}.png", "images: ", "does not hold {name} once"),
    Mistake("images/{split}/{name}.png", "images/{name}.png", "images: ", "has no {split}", "put {split}"),
    Mistake("images/{split}/{name}.png", "images/{split}/{name}.{ext}", "images: ", "braces beside {split} and {name}"),
    Mistake(
      "images/{split}/{name}.png", "/data/{split}/{name}.png", "images: ", "is an absolute path", "below --data-path"),
    Mistake("labels/{split}/{name}_L.png", "../{split}/{name}.png", "labels: ", "empty, . or ..", "below --data-path"),
    Mistake("labels/{split}/{name}_L.png", "images/{split}/{name}.png", "labels: ", "the pattern of images too"),
    Mistake(#""labels": "#, #""masks": "#, "masks: ", "no such key", "labels"),
    Mistake(#""training""#, #""../training""#, "splits.train: ", "empty, . or .."),
    Mistake(#""training""#, #""validation""#, "splits: ", "two splits are named validation"),
    Mistake(#""train": "#, #""trian": "#, "splits.trian: ", "no such key", "train, val, test"),
  ]

  @Test("Every mistake is one line with the file, the key and the remedy", arguments: mistakes)
  func refused(mistake: Mistake) throws {
    let text = Self.camvid.replacingOccurrences(of: mistake.old, with: mistake.new)
    try #require(text != Self.camvid)
    let error = #expect(throws: LabelTableError.self) { try LabelTable(text: text, in: "camvid.json") }
    let line = error?.description ?? ""
    #expect(line.hasPrefix("camvid.json: " + mistake.key), "\(line)")
    var rest = line[...]
    for part in mistake.saying {
      let place = rest.range(of: part)
      #expect(place != nil, "“\(line)” does not say “\(part)” where it should")
      rest = rest[(place?.upperBound ?? rest.startIndex)...]
    }
    #expect(line.contains("; ") && !line.contains("\n"))
  }

  @Test("1 and 255 classes are refused, 254 are not", arguments: [1, 254, 255])
  func counts(classes: Int) throws {
    let list = (0..<classes).map { #"{"name": "c\#($0)", "id": \#($0)}"# }.joined(separator: ",")
    let text =
      #"{"name": "x", "classes": [\#(list)], "images": "i/{split}/{name}.png", "labels": "l/{split}/{name}.png"}"#
    if classes == 254 {
      #expect(try LabelTable(text: text, in: "x.json").classes.count == 254)
    } else {
      let error = #expect(throws: LabelTableError.self) { try LabelTable(text: text, in: "x.json") }
      #expect(error?.description.contains("classes: has \(classes) entr") == true)
      #expect(error?.description.hasSuffix("give 2 to 254 classes") == true)
    }
  }

  @Test("A file that is missing, a folder, empty, no JSON, too large or no object is refused with its name")
  func files() throws {
    let folder = try TemporaryFolder()
    let words: [(String, String)] = [
      (folder.file("none.json"), "cannot be read"), (folder.path, "cannot be read"),
      (try folder.write([], as: "empty.json"), "is no JSON"),
      (try folder.write(Array("{\"name\": }".utf8), as: "broken.json"), "is no JSON"),
      (try folder.write([UInt8](repeating: 0x20, count: 2 << 20), as: "large.json"), "is larger"),
      (try folder.write(Array("[1, 2]".utf8), as: "list.json"), "is no JSON object"),
      (try folder.write([UInt8](repeating: UInt8(ascii: "["), count: 100_000), as: "deep.json"), "is no JSON"),
    ]
    for (path, problem) in words {
      let error = #expect(throws: LabelTableError.self) { try LabelTable(contentsOf: path) }
      #expect(error?.description.hasPrefix("\(path): \(problem)") == true, "\(String(describing: error))")
    }
  }

  // MARK: - Comparison

  private func table(_ old: String, _ new: String) throws -> LabelTable {
    try LabelTable(text: Self.camvid.replacingOccurrences(of: old, with: new), in: "other.json")
  }

  @Test("The first difference of two tables is named; ids, colors and file names do not contradict a model")
  func differences() throws {
    let camvid = try LabelTable(text: Self.camvid, in: "camvid.json")
    #expect(camvid.difference(from: camvid, of: "m") == nil)
    let renamed = try table("building", "house")
    #expect(renamed.contradiction(to: camvid, of: "m") == "class 1 is house, but building in m")
    #expect(renamed.difference(from: camvid, of: "m") == "class 1 is house, but building in m")
    #expect(LabelTable.cityscapes.contradiction(to: camvid, of: "m") == "class 0 is road, but sky in m")
    let pole = try #require(Self.camvid.range(of: #",\s*\{"name": "pole".*\}"#, options: .regularExpression))
    let fewer = try table(String(Self.camvid[pole]), "")
    #expect(fewer.contradiction(to: camvid, of: "m") == "has 2 classes, but m has 3")
    for (old, new, words) in [
      (#""id": 7"#, #""id": 8"#, "the id of building is 8, but 7 in m"),
      ("[128, 0, 0]", "[128, 0, 1]", "the color of building is another than in m"),
      (#""category": "sky""#, #""category": "air""#, "the category of sky is air, but sky in m"),
      ("[11, ", "[", "id 11 is not ignored, but in m"), ("[11, ", "[11, 12, ", "id 12 is ignored, but not in m"),
    ] {
      let other = try table(old, new)
      #expect(other.contradiction(to: camvid, of: "m") == nil)
      #expect(other.difference(from: camvid, of: "m") == words)
    }
    #expect(try table("labels/{split}", "masks/{split}").difference(from: camvid, of: "m") == nil)
  }
}
