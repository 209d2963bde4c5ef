import Cityscapes
import Foundation
import ImageFixtures
import System
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
    #expect(samples[2].color == truth + "color.png")
    let maps = "/train/ulm/ulm_000001_000019_gtFine_"
    #expect(samples[2].labelTrainIds == "\(folder.path)/prepared\(maps)labelTrainIds.png")
    #expect(samples[2].prepared(in: "cache").boundary == "cache\(maps)boundary.png")
    #expect(samples[2].prepared(in: "cache").canny == "cache\(maps)grad.png")
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

  @Test("Files with other names are left out and said once: another suffix, another case, nested, without a city")
  func leftOut() throws {
    let folder = try TemporaryFolder()
    let images = folder.path + "/leftImg8bit/train"
    try touch("\(images)/ulm/ulm_000001_000019_leftImg8bit.png")
    #expect(try CityscapesDirectory(root: folder.path).list(.train).warnings == [])
    try touch("\(images)/ulm/ulm_000002_000019_leftImg8bit.PNG")
    try touch("\(images)/ulm/ulm_000003_000019.jpg")
    try touch("\(images)/ulm/ulm/ulm_000004_000019_leftImg8bit.png")
    try touch("\(images)/ulm_000005_000019_leftImg8bit.png")
    try touch("\(images)/ulm/.thumbnails/a.png")
    try FileManager.default.createSymbolicLink(atPath: "\(images)/ulm/circle", withDestinationPath: images)
    let listing = try CityscapesDirectory(root: folder.path).list(.train)
    #expect(listing.samples.map(\.name) == ["ulm_000001_000019"])
    #expect(
      listing.leftOut == [
        "ulm/circle", "ulm/ulm/ulm_000004_000019_leftImg8bit.png", "ulm/ulm_000002_000019_leftImg8bit.PNG",
        "ulm/ulm_000003_000019.jpg", "ulm_000005_000019_leftImg8bit.png",
      ])
    #expect(
      listing.warnings == [
        "\(images): 5 files are not named CITY/*_leftImg8bit.png and left out (first: ulm/circle); rename or remove them"
      ])
  }

  @Test("A split in which no file has the right name is an error that names one")
  func otherNames() throws {
    let folder = try TemporaryFolder()
    let images = folder.path + "/leftImg8bit/val"
    try touch("\(images)/ulm/ulm_000001_000019_leftImg8bit.jpg")
    let error = #expect(throws: CityscapesDirectoryError.self) {
      try CityscapesDirectory(root: folder.path).samples(of: .val)
    }
    #expect(error == .otherNames(folder: images, count: 1, first: "ulm/ulm_000001_000019_leftImg8bit.jpg"))
    #expect(
      "\(try #require(error))".hasPrefix("\(images): holds no images; its file is not named CITY/*_leftImg8bit.png"))
  }

  @Test("With a folder too high or too low, the error names the right one")
  func elsewhere() throws {
    let folder = try TemporaryFolder()
    let data = folder.path + "/data"
    try touch("\(data)/leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png")
    for root in [folder.path, data + "/leftImg8bit", data + "/other"] {
      #expect(throws: CityscapesDirectoryError.elsewhere(root: root, data)) {
        try CityscapesDirectory(root: root).samples(of: .train)
      }
    }
  }

  @Test("A folder of a split under another name, and images one folder too deep, are said with what to do")
  func otherFolders() throws {
    let folder = try TemporaryFolder()
    let images = folder.path + "/leftImg8bit"
    for split in ["train", "Train", "train_extra"] {
      try touch("\(images)/\(split)/ulm/ulm_000001_000019_leftImg8bit.png")
    }
    #expect(
      try CityscapesDirectory(root: folder.path).list(.train).warnings == [
        "\(images)/Train: is left out; move its folders to \(images)/train, or rename it"
      ])
    let nested = try TemporaryFolder()
    let deep = nested.path + "/leftImg8bit/leftImg8bit"
    try touch("\(deep)/train/ulm/ulm_000001_000019_leftImg8bit.png")
    let error = #expect(throws: CityscapesDirectoryError.self) {
      try CityscapesDirectory(root: nested.path).samples(of: .train)
    }
    // The remedy works when it is followed to the letter.
    let remedy = try #require(error.flatMap { "\($0)".split(separator: "; ").last })
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", String(remedy)]
    try shell.run()
    shell.waitUntilExit()
    #expect(try CityscapesDirectory(root: nested.path).list(.train).samples.count == 1)
  }

  @Test("Images of a folder whose name is not UTF-8 are listed, prepared and read")
  func anyBytes() throws {
    let folder = try TemporaryFolder()
    _ = try folder.streets(train: 2)
    let city = String(pathBytes: [0x6B, 0xF6, 0x6C, 0x6E])
    for kind in ["leftImg8bit", "gtFine"] {
      let split = "\(folder.path)/\(kind)/train"
      try FileSystem().rename("\(split)/synthetica", to: "\(split)/\(city)")
    }
    let samples = try CityscapesDirectory(root: folder.path).samples(of: .train)
    #expect(samples.map(\.city) == [city, city])
    _ = try Preprocessing(samples).run()
    #expect(try Sample.read(samples[1], index: 1).image.size.width == 64)
  }

  @Test("Synthetic streets among other images are said; alone they are not")
  func mixed() throws {
    let folder = try TemporaryFolder()
    _ = try folder.streets(train: 2)
    #expect(try CityscapesDirectory(root: folder.path).list(.train).warnings == [])
    let images = folder.path + "/leftImg8bit/train"
    try touch("\(images)/ulm/ulm_000001_000019_leftImg8bit.png")
    let warning = try #require(try CityscapesDirectory(root: folder.path).list(.train).warnings.first)
    #expect(warning.hasPrefix("\(images): 2 of its 3 images are synthetic streets"))
    #expect(warning.hasSuffix("remove the folder \(images)/synthetica"))
  }

  @Test("A data set may consist of symbolic links")
  func links() throws {
    let folder = try TemporaryFolder()
    let disk = folder.path + "/disk"
    try touch("\(disk)/ulm/ulm_000001_000019_leftImg8bit.png")
    try touch("\(disk)/image.png")
    let images = folder.path + "/data/leftImg8bit/train"
    try FileManager.default.createDirectory(atPath: images + "/aachen", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: images + "/ulm", withDestinationPath: disk + "/ulm")
    try FileManager.default.createSymbolicLink(
      atPath: images + "/aachen/aachen_000000_000019_leftImg8bit.png", withDestinationPath: disk + "/image.png")
    let listing = try CityscapesDirectory(root: folder.path + "/data").list(.train)
    #expect(listing.samples.map(\.city) == ["aachen", "ulm"])
    #expect(listing.leftOut == [])
  }
}
