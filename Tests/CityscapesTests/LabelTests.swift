import Cityscapes
import Foundation
import Testing

@Suite("The label table") struct LabelTests {
  private struct Line: Decodable {
    let name: String
    let id: Int
    let trainId: Int
    let category: String
    let ignoreInEval: Bool
    let color: [UInt8]
  }

  @Test("equals that of cityscapesScripts")
  func table() throws {
    let path = (#filePath as NSString).deletingLastPathComponent + "/Fixtures/labels.json"
    let lines = try JSONDecoder().decode([Line].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(lines.count == Label.table.count)
    for (line, label) in zip(lines, Label.table) {
      #expect(line.name == label.name)
      #expect(line.id == label.id)
      #expect(line.trainId == label.trainId)
      #expect(line.category == label.category.rawValue)
      #expect(line.ignoreInEval == label.ignoredInEvaluation)
      #expect(line.color == [label.color.red, label.color.green, label.color.blue])
    }
  }

  @Test("has 19 classes in the order of their train ids, in seven categories")
  func classes() {
    #expect(Label.classes.map(\.trainId) == Array(0..<19))
    #expect(Label.classes.first?.name == "road")
    #expect(Label.classes.last?.name == "bicycle")
    #expect(Label.Category.evaluated.count == 7)
    #expect(Label.categoryOfClass.count == 19)
    #expect(Set(Label.categoryOfClass) == Set(0..<7))
    #expect(Label.palette.count == 19)
    #expect(Label.idPalette.count == 34)
  }

  @Test("maps classes to ids and back, and everything else to ignored")
  func maps() {
    for trainId in 0..<19 { #expect(Label.trainIds[Int(Label.ids[trainId])] == trainId) }
    #expect(Label.trainIds.filter { $0 == Label.ignored }.count == 256 - 19)
    #expect(Label.ids[255] == 0)
  }
}
