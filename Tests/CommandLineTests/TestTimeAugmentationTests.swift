import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Test-time augmentation, windows and archives")
  struct TestTimeAugmentationTests {
    let work: Workplace

    init() throws { work = try .withModel() }

    private func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: work.place(name))) }

    @Test("Several ranks share the images: the figures, the folder and the archive are the same bytes on 1, 2 and 3")
    func ranks() throws {
      let options = ["--scales", "0.5,1", "--flip", "--window", "32x24", "--overlap", "9", "--zip"]
      for ranks in 1...3 {
        let job = try work.gscnn(
          Workplace.evaluate + options + ["--export", "p\(ranks)", "--json", "\(ranks).json"],
          ranks: ranks == 1 ? nil : ranks)
        #expect(job.status == 0, "\(job.errors)")
      }
      for ranks in 2...3 {
        #expect(try data("p\(ranks).zip") == data("p1.zip"), "\(ranks) ranks")
        func lines(_ name: String) throws -> [String] {
          try work.text(name).replacingOccurrences(of: "\"p\(ranks)/", with: "\"p1/").split(separator: "\n").filter {
            !$0.contains("images_per_second")
          }.map(String.init)
        }
        #expect(try lines("\(ranks).json") == lines("1.json"), "\(ranks) ranks")
      }
      #expect(try work.text("1.json").contains("\"loss\": null"))
      let archive = try data("p1.zip")
      for name in try work.names(in: "p1") {
        #expect(archive.range(of: try data("p1/\(name)")) != nil, "\(name) is stored in the archive")
        #expect(archive.range(of: Data(name.utf8)) != nil)
      }
      // The archive alone, and the prediction of the whole image, which is another one.
      let alone = try work.gscnn(Workplace.evaluate + options.dropLast() + ["--export", "alone.ZIP"])
      #expect(alone.status == 0, "\(alone.errors)")
      #expect(try data("alone.ZIP") == archive)
      #expect(try work.gscnn(Workplace.evaluate + ["--export", "plain"]).status == 0)
      let names = try work.names(in: "plain")
      #expect(try names.contains { try data("plain/\($0)") != data("p1/\($0)") })
    }

    @Test("A folder in which the official script would find two predictions of an image is refused")
    func twoPredictions() throws {
      let place = "predictions/earlier"
      try FileManager.default.createDirectory(atPath: work.place(place), withIntermediateDirectories: true)
      let name = "synthetica_000002_000019"
      // Others are no predictions of a validation image.
      for other in ["\(name)_note.txt", "synthetica_000009_000019_prediction.png", "x_\(name).png"] {
        try work.write(Data(), to: "\(place)/\(other)")
      }
      let call = Workplace.evaluate + ["--export", "predictions"]
      #expect(try work.gscnn(call).status == 0)
      #expect(try work.gscnn(call).status == 0, "files of the same name are replaced")
      try work.write(Data(), to: "\(place)/\(name)_color.png")
      try work.expectRefusal(
        call, ranks: 2, status: 1, saying: "predictions: ", "\(place)/\(name)_color.png", "\(name)_prediction.png",
        "the prediction of \(name)", "give an empty folder as --export")
    }

    @Test("Options that make no sense are refused with what to give")
    func options() throws {
      func refused(_ words: [String], _ parts: (String, String)) throws {
        try work.expectRefusal(Workplace.evaluate + words, status: 2, saying: parts.0, parts.1)
      }
      try refused(["--scales", "1,1"], ("--scales", "different numbers from 0.1 to 8"))
      try refused(["--scales", "0"], ("--scales", "numbers from 0.1 to 8"))
      try refused(["--window", "1024"], ("--window", "for example 1024x1024"))
      try refused(["--window", "15x64"], ("--window", "from 16 to 16384"))
      try refused(["--overlap", "3"], ("--overlap", "give --window 1024x1024"))
      try refused(["--window", "64x32", "--overlap", "32"], ("--overlap 32", "below 32"))
      try refused(["--zip"], ("--zip needs --export", "--export FOLDER"))
      for archive in ["data.zip/p.zip", "results.zip"] {
        try FileManager.default.createDirectory(
          atPath: work.place("results.zip"), withIntermediateDirectories: true)
        try work.write(Data(), to: "data.zip")
        try work.expectRefusal(
          Workplace.evaluate + ["--export", archive], status: 1, saying: archive, "the zip archive cannot be written",
          "give another path for --export")
      }
    }

    @Test("view draws the prediction of the same options")
    func view() throws {
      let call = ["view", "--data-path", "data", "--model-weight", Workplace.model, "--threads", "1"]
      let image = ["--input-pic", "val/synthetica/synthetica_000000_000019_leftImg8bit.png"]
      #expect(try work.gscnn(call + image + ["--output", "plain.png"]).status == 0)
      let job = try work.gscnn(call + image + ["--output", "mean.png", "--scales", "0.5,2", "--flip"])
      #expect(job.status == 0, "\(job.errors)")
      #expect(try data("plain.png") != data("mean.png"))
    }
  }
}
