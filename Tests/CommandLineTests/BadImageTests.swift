import Foundation
import Testing

extension CommandLine {
  @Suite("Unusable images")
  struct BadImageTests {
    let work: Workplace

    init() throws {
      work = try Workplace()
      try work.makeStreets()
    }

    @Test("A folder without images: the error says how to get some", arguments: ["prepare", "train"])
    func noData(command: String) throws {
      try work.expectRefusal(
        [command, "--data-path", "nowhere"], status: 1, saying: "nowhere: holds no images", "csDownload",
        "gscnn synthesize --data-path nowhere")
      #expect(!work.exists("nowhere"))
      #expect(!work.exists("results"))
    }

    @Test("A file instead of the data set's folder is refused")
    func fileForFolder() throws {
      try work.write(Data("data".utf8), to: "file")
      try work.expectRefusal(["prepare", "--data-path", "file"], status: 1, saying: "file: holds no images")
      try work.expectRefusal(
        ["synthesize", "--data-path", "file"], status: 1, saying: "file/", "(Not a directory)", "check")
    }

    @Test(
      "An empty split is refused before the training starts",
      arguments: [("train", "get Cityscapes"), ("val", "get Cityscapes"), ("test", "train with --test never")])
    func emptySplit(split: String, remedy: String) throws {
      try work.remove("data/leftImg8bit/\(split)")
      try work.expectRefusal(
        Workplace.training, status: 1, saying: "data/leftImg8bit/\(split): holds no images", remedy)
      #expect(!work.exists("results"))
    }

    @Test("An image without its label is refused; the error names the label")
    func noLabel() throws {
      try work.remove(Workplace.labelIds())
      try work.expectRefusal(
        Workplace.training, status: 1, saying: Workplace.labelIds(), "does not exist",
        "restore the label or remove the image")
    }

    @Test("A label of another size than its image is refused with both sizes")
    func otherSize() throws {
      try work.makeStreets("other", width: 64)
      try work.copy(Workplace.labelIds(in: "other"), to: Workplace.labelIds())
      try work.expectRefusal(
        Workplace.training, status: 1, saying: Workplace.labelIds(), "64×32, but its image is 48×32", "restore")
    }

    @Test("A truncated file is refused", arguments: [Workplace.image("val"), Workplace.labelIds("val")])
    func truncated(file: String) throws {
      try work.truncate(file)
      try work.expectRefusal(Workplace.training, status: 1, saying: file, "is truncated", "restore the file")
    }

    @Test("An image damaged inside after it was prepared is noticed when it is read")
    func damagedLater() throws {
      #expect(try work.gscnn("prepare").status == 0)
      for index in 0..<4 { try work.damage(Workplace.image("train", index)) }
      let job = try work.gscnn(Workplace.training)
      #expect(job.status == 1)
      #expect(job.errors.last?.hasPrefix("gscnn: data/leftImg8bit/train/") == true)
      #expect(job.errors.last?.contains("is damaged (") == true)
      #expect(job.errors.last?.hasSuffix("; restore the file") == true)
    }

    @Test("A validation image damaged inside is found before the first step", arguments: [nil, 2])
    func damagedValidationImage(ranks: Int?) throws {
      #expect(try work.gscnn("prepare").status == 0)
      for index in 0..<2 { try work.damage(Workplace.image("val", index)) }
      let job = try work.gscnn(Workplace.training + ["--log-every", "1"], ranks: ranks)
      #expect(job.status == 1)
      #expect(job.errors.last?.contains("data/leftImg8bit/val/") == true, "\(job.errors)")
      #expect(job.errors.last?.contains("is damaged (") == true)
      #expect(!job.errors.contains { $0.hasPrefix("epoch") })
    }

    @Test("A file that is no PNG file is refused")
    func noPNG() throws {
      try work.write(Data("not an image".utf8), to: Workplace.image())
      try work.expectRefusal(
        ["prepare"], status: 1, saying: Workplace.image(), "is not a PNG file", "restore the file")
    }

    @Test(
      "A PNG file of another kind is refused with the kind that is needed",
      arguments: [
        ("gray16.png", Workplace.labelIds(), "is 16-bit gray, but 8-bit gray is needed here"),
        ("rgb16.png", Workplace.image(), "is 16-bit RGB, but 8-bit RGB is needed here"),
        ("palette.png", Workplace.image(), "is 8-bit with a palette, but 8-bit RGB is needed here"),
      ])
    func otherKind(fixture: String, file: String, problem: String) throws {
      try work.copy(Workplace.fixture(fixture), to: file)
      try work.expectRefusal(["prepare"], status: 1, saying: file, problem, "convert it to 8-bit")
    }

    @Test("A label with ids beyond 33 is refused")
    func invalidIds() throws {
      #expect(try work.gscnn("prepare").status == 0)
      // Train ids instead of label ids: 255 where a pixel has no class.
      try work.copy("data/prepared/train/synthetica/synthetica_000000_000019_gtFine_labelTrainIds.png", to: "ids.png")
      try work.copy("ids.png", to: Workplace.labelIds())
      try work.expectRefusal(
        ["prepare"], status: 1, saying: Workplace.labelIds(), "holds 255, but label ids end at 33", "restore the file")
    }

    @Test("Several bad files are reported together, one line for each", arguments: [nil, 2])
    func together(ranks: Int?) throws {
      try work.truncate(Workplace.image("train", 0))
      try work.remove(Workplace.labelIds("train", 3))
      let job = try work.gscnn("prepare", ranks: ranks)
      #expect(job.status == 1)
      #expect(job.output == [])
      try #require(job.errors.count == 3, "\(job.errors)")
      #expect(job.errors[0].hasPrefix("gscnn: \(Workplace.labelIds("train", 3)): does not exist"))
      #expect(job.errors[1].hasPrefix("gscnn: \(Workplace.image("train", 0)): is truncated"))
      #expect(job.errors[2] == "gscnn: data: 2 problems; correct what is named above, then start again")
      // Found before any map was made.
      #expect(!work.exists("data/prepared"))
    }

    @Test("Synthetic images are not mixed with others")
    func noMixing() throws {
      try work.expectRefusal(
        ["synthesize", "--train", "2", "--val", "2", "--test", "1"], status: 1,
        saying: Workplace.image("train", 2), "choose an empty folder")
    }

    @Test("A batch larger than the training split is refused")
    func fewerThanBatch() throws {
      try work.expectRefusal(
        ["train", "--batch-size", "5"], status: 1, saying: "a batch of 5 images", "only 4", "lower --batch-size")
      #expect(!work.exists("results"))
    }

    @Test("A batch smaller than the ranks is refused, and one image per rank with local batch norm")
    func fewerThanRanks() throws {
      try work.expectRefusal(
        ["train", "--batch-size", "2"], ranks: 3, status: 2, saying: "a batch of 2 images", "3 ranks", "fewer ranks")
      try work.expectRefusal(
        ["train", "--batch-size", "2", "--batch-norm", "local"], ranks: 2, status: 2, saying: "--batch-norm local: ",
        "no variance", "--batch-size 4")
    }

    @Test("A missing image to view is refused; the error says how to name one")
    func noImage() throws {
      try work.expectRefusal(
        ["view", "--model-weight", "none.safetensors", "--input-pic", "val/nowhere.png"], status: 1,
        saying: "val/nowhere.png: ", "give SPLIT/CITY/NAME_leftImg8bit.png or the path of an RGB PNG")
    }
  }
}
