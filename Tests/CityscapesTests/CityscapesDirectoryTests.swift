import Cityscapes
import Foundation
import ImageFixtures
import Testing

@Suite("The Cityscapes directory") struct CityscapesDirectoryTests {
  private func touch(_ path: String) throws {
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    #expect(FileManager.default.createFile(atPath: path, contents: Data()))
  }

  @Test("lists the samples of a split by city and file, without hidden and other files")
  func sorted() throws {
    let folder = try TemporaryFolder()
    let images = folder.path + "/leftImg8bit/train"
    for name in ["ulm/ulm_000001_000019", "aachen/aachen_000010_000019", "aachen/aachen_000002_000019"] {
      try touch("\(images)/\(name)_leftImg8bit.png")
    }
    try touch("\(images)/aachen/._aachen_000002_000019_leftImg8bit.png")
    try touch("\(images)/aachen/notes.txt")
    try touch("\(images)/license_leftImg8bit.png")
    let samples = try CityscapesDirectory(root: folder.path + "/").samples(of: .train)
    #expect(samples.map(\.name) == ["aachen_000002_000019", "aachen_000010_000019", "ulm_000001_000019"])
    #expect(samples[2].city == "ulm")
    #expect(samples[2].image == "\(images)/ulm/ulm_000001_000019_leftImg8bit.png")
    let truth = "\(folder.path)/gtFine/train/ulm/ulm_000001_000019_gtFine_"
    #expect(samples[2].labelIds == truth + "labelIds.png")
    #expect(samples[2].labelTrainIds == truth + "labelTrainIds.png")
    #expect(samples[2].boundary == truth + "boundary.png")
    #expect(samples[2].canny == truth + "grad.png")
    #expect(samples[2].color == truth + "color.png")
  }

  @Test("A folder without images is an error of one line that says where they were looked for")
  func noData() throws {
    let root = try TemporaryFolder().path + "/nowhere"
    let error = #expect(throws: CityscapesDirectoryError.self) {
      try CityscapesDirectory(root: root).samples(of: .train)
    }
    #expect(error == .noImages(root: root))
    let message = "\(try #require(error))"
    #expect(message.hasPrefix("\(root): holds no images (looked for \(root)/leftImg8bit/"))
    #expect(!message.contains("\n"))
  }

  @Test("An empty split and an empty data set are different errors")
  func emptySplit() throws {
    let folder = try TemporaryFolder()
    _ = try folder.streets(train: 1)
    let error = #expect(throws: CityscapesDirectoryError.self) {
      try CityscapesDirectory(root: folder.path).samples(of: .val)
    }
    #expect(error == .emptySplit(root: folder.path, .val))
    #expect("\(try #require(error))".contains("leftImg8bit/val: holds no images"))
  }
}
