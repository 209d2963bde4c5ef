import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Predictions without labels")
  struct PredictTests {
    private static let predict = ["predict", "--model-weight", Workplace.model, "--threads", "1"]
    let work: Workplace

    /// Four validation images and a model; the images are also in `photos`, two of them under one name.
    init() throws {
      work = try .withModel()
      for folder in ["photos/a", "photos/b", "photos/b/deep"] { try makeFolder(folder) }
      for (index, name) in ["a/x.png", "b/x.png", "b/deep/y_leftImg8bit.png", "b/z.PNG"].enumerated() {
        try work.copy(Workplace.image("val", index), to: "photos/" + name)
      }
      try work.write(Data("no image".utf8), to: "photos/notes.txt")
    }

    private func makeFolder(_ name: String) throws {
      try FileManager.default.createDirectory(atPath: work.place(name), withIntermediateDirectories: true)
    }

    /// All files of a folder and its folders.
    private func files(_ folder: String) throws -> [String: Data] {
      var files: [String: Data] = [:]
      for name in try FileManager.default.subpathsOfDirectory(atPath: work.place(folder)) {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: work.place("\(folder)/\(name)"), isDirectory: &isFolder)
        if !isFolder.boolValue {
          files[name] = try Data(contentsOf: URL(fileURLWithPath: work.place("\(folder)/\(name)")))
        }
      }
      return files
    }

    @Test("A folder's images keep their folders; the results are the same bytes on 1, 2 and 3 ranks")
    func ranks() throws {
      let call = Self.predict + ["photos", "--color", "--label-ids", "--overlay", "--probabilities"]
      let alone = try work.gscnn(call + ["--output", "1"])
      #expect(alone.status == 0, "\(alone.errors)")
      #expect(alone.output == ["4 images: 1"])
      let expected = try files("1")
      let names = ["a/x", "b/deep/y", "b/x", "b/z"]
      #expect(
        expected.keys.sorted()
          == names.flatMap { name in
            ["color.png", "labelIds.png", "overlay.png", "probabilities.npy"].map { "\(name)_\($0)" }
          }.sorted())
      for ranks in [2, 3] {
        let job = try work.gscnn(call + ["--output", "\(ranks)"], ranks: ranks)
        #expect(job.status == 0, "\(job.errors)")
        #expect(try files("\(ranks)") == expected, "\(ranks) ranks")
      }
      // The label ids are those of an evaluation.
      let evaluation = try work.gscnn([
        "evaluate", "--data-path", "data", "--model-weight", Workplace.model, "--threads", "1", "--export", "exported",
      ])
      #expect(evaluation.status == 0, "\(evaluation.errors)")
      let exported = try files("exported")
      for (index, name) in ["a/x", "b/x", "b/deep/y", "b/z"].enumerated() {
        #expect(
          expected["\(name)_labelIds.png"] == exported["synthetica_00000\(index)_000019_prediction.png"], "\(name)")
      }
      try checkProbabilities(try #require(expected["a/x_probabilities.npy"]))
    }

    /// NumPy's format: 19 classes of 32×48 pixels, whose probabilities add up to 1.
    private func checkProbabilities(_ file: Data) throws {
      let bytes = [UInt8](file)
      #expect(Array(bytes.prefix(8)) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0] as [UInt8])
      let length = Int(bytes[8]) + Int(bytes[9]) << 8
      #expect((10 + length) % 64 == 0)
      let header = String(decoding: bytes[10..<10 + length], as: UTF8.self)
      #expect(header.hasPrefix("{'descr': '<f2', 'fortran_order': False, 'shape': (19, 32, 48), }"))
      #expect(header.hasSuffix("\n"))
      let values = stride(from: 10 + length, to: bytes.count, by: 2).map { at in
        Double(Float16(bitPattern: UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8))
      }
      try #require(values.count == 19 * 32 * 48)
      for pixel in stride(from: 0, to: 32 * 48, by: 97) {
        let sum = (0..<19).reduce(0) { $0 + values[$1 * 32 * 48 + pixel] }
        #expect(abs(sum - 1) < 2e-3)
      }
    }

    @Test("Files, patterns and lists name images, each of them once")
    func inputs() throws {
      try work.write(Data("photos/b/x.png\r\n\nphotos/a\n".utf8), to: "list.txt")
      let job = try work.gscnn(Self.predict + ["@list.txt", "photos/*/x.png", "photos/a", "photos/b/z.PNG"])
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.output == ["3 images: predictions"])
      #expect(try files("predictions").keys.sorted() == ["a/x_color.png", "b/x_color.png", "b/z_color.png"])
      // A second run over a folder that holds the results does not predict them.
      for _ in 1...2 {
        let inside = try work.gscnn(Self.predict + ["photos", "--output", "photos/b/out"])
        #expect(inside.output == ["4 images: photos/b/out"], "\(inside.errors)")
      }
    }

    @Test("Damaged images are named, five and a count; the others are done, and the status is 1", arguments: [nil, 2])
    func damaged(ranks: Int?) throws {
      try makeFolder("many")
      for index in 0..<9 { try work.copy(Workplace.image("val", 0), to: "many/\(index).png") }
      for index in 1..<8 { try work.truncate("many/\(index).png") }
      let job = try work.gscnn(Self.predict + ["many", "--color", "--export", "all.zip"], ranks: ranks)
      #expect(job.status == 1)
      #expect(job.output == [])
      try #require(job.errors.count == 7, "\(job.errors)")
      for index in 1...5 {
        #expect(job.errors[index - 1].hasPrefix("gscnn: many/\(index).png: is truncated"), "\(job.errors)")
      }
      #expect(job.errors[5] == "gscnn: … and 2 more")
      #expect(
        job.errors[6]
          == "gscnn: 7 of 9 images could not be read, the others are done, but no archive is written; restore or remove "
          + "what is named above")
      #expect(try files("predictions").keys.sorted() == ["0_color.png", "8_color.png"])
      #expect(!work.exists("all.zip"), "an archive that lacks images would be refused by the server")
    }

    @Test("What names no image, or would replace one, is refused before anything is written")
    func refusals() throws {
      func refused(_ words: [String], _ first: String, _ second: String) throws {
        try work.expectRefusal(Self.predict + words, status: 1, saying: first, second)
      }
      try refused(["nothing.png"], "nothing.png: there is no such image", "name PNG or JPEG files")
      try refused(["photos/*.jpg"], "photos/*.jpg: holds no images", "name PNG or JPEG files")
      try refused(["@nothing.txt"], "nothing.txt: cannot open", "check the path")
      try makeFolder("empty")
      try refused(["empty"], "empty: holds no images", "name PNG or JPEG files")
      try refused(["photos/a", "--output", "photos/a"], "photos/a: the results would lie among", "--output")
      try work.copy(Workplace.image("val", 0), to: "photos/a/x_color.png")
      try refused(
        ["photos/a/x.png", "photos/a/x_color.png", "--output", "photos/a"],
        "x_color.png: this result for photos/a/x.png",
        "--output")
      try work.copy(Workplace.image("val", 0), to: "photos/a/x_prediction.png")
      try refused(
        ["photos/a/x.png", "photos/a/x_prediction.png", "--export", "photos/a"],
        "photos/a/x_prediction.png: this result for photos/a/x.png", "--export")
      // Through links: an image that is a result of another, and a folder of results that is one of images.
      try makeFolder("linked")
      try makeFolder("out")
      try work.copy(Workplace.image("val", 0), to: "out/photo_color.png")
      try FileManager.default.createSymbolicLink(
        atPath: work.place("linked/photo.png"), withDestinationPath: "../out/photo_color.png")
      try refused(
        ["linked/photo.png", "--output", "out"], "this result for linked/photo.png would replace", "--output")
      try work.copy(Workplace.image("val", 0), to: "photos/b/deep/y_color.png")
      try makeFolder("out2/b")
      try FileManager.default.createSymbolicLink(
        atPath: work.place("out2/b/deep"), withDestinationPath: "../../photos/b/deep")
      try refused(["photos", "--output", "out2"], "would replace an image that is to be predicted", "--output")
      try refused(["photos/b", "--export", "photos/b"], "the results would lie among the images", "--export")
      try work.copy(Workplace.model, to: "model.zip")
      try work.expectRefusal(
        ["predict", "photos/b/z.PNG", "--model-weight", "model.zip", "--export", "model", "--zip"], status: 2,
        saying: "--export model.zip: this command reads that file", "give another")
      try refused(["photos", "--export", "server"], "the benchmark server takes one prediction of x", "rename one")
      #expect(!work.exists("predictions"))
      #expect(!work.exists("server"))
    }

    @Test("A JPEG file is predicted, or the error names the package that is missing")
    func jpeg() throws {
      let fixture = Workplace.fixture("../../ImageFixtures/Fixtures/jpeg_rgb.jpg")
      try work.copy(fixture, to: "street.jpg")
      let job = try work.gscnn(Self.predict + ["street.jpg"])
      if job.status == 0 {
        #expect(try files("predictions").keys.sorted() == ["street_color.png"])
      } else {
        #expect(job.status == 1)
        #expect(
          job.errors.first?.contains("street.jpg: is a JPEG file, and this program was built without libjpeg") == true)
        #expect(job.errors.first?.contains("install libjpeg-dev") == true, "\(job.errors)")
      }
    }
  }
}
