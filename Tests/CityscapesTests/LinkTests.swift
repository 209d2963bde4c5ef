import Cityscapes
import Foundation
import ImageFixtures
import Testing

@Suite("Symbolic links in place of prepared maps") struct LinkTests {
  @Test("A link is replaced by the map, and what it points to stays as it was")
  func maps() throws {
    let folder = try TemporaryFolder()
    let sample = try folder.preprocessedStreets(train: 1)[0]
    let outside = try folder.write([1, 2, 3], as: "outside")
    for map in [sample.labelTrainIds, sample.boundary, sample.canny] {
      let before = try bytes(of: map)
      try FileManager.default.removeItem(atPath: map)
      try FileManager.default.createSymbolicLink(atPath: map, withDestinationPath: outside)
      _ = try Preprocessing([sample]).run()
      #expect(try bytes(of: outside) == [1, 2, 3])
      #expect(try bytes(of: map) == before)
    }
  }
}
