import Foundation
import Jobs
import Testing

extension CommandLine {
  @Suite("Prepared maps")
  struct PreparedMapsTests {
    let work: Workplace
    /// Runs its arguments with a data set that cannot be written, as root neither.
    private var readOnly: [String] {
      let mount = "mount --bind data data && mount -o remount,bind,ro data && exec \"$@\""
      return ["env", "-C", work.folder, "unshare", "--mount", "sh", "-c", mount, "sh"]
    }
    /// Why this machine cannot make a folder read-only; nil if it can.
    static let missing: String? = {
      let mount = "mount --bind / / && mount -o remount,bind,ro /"
      let job = try? Job.run(command: ["unshare", "--mount", "sh", "-c", mount])
      return job?.status == 0 ? nil : "needs root and mount namespaces (util-linux)"
    }()

    init() throws {
      work = try Workplace()
      try work.makeStreets()
    }

    /// Names below a folder, of files alone.
    private func files(in name: String) -> Set<String> {
      var files: Set<String> = []
      for case let file as String in FileManager.default.enumerator(atPath: work.place(name)) ?? .init() {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: work.place("\(name)/\(file)"), isDirectory: &isFolder)
        if !isFolder.boolValue { files.insert(file) }
      }
      return files
    }

    private static let step = Workplace.training + ["--stop-after", "1", "--threads", "1"]

    @Test("Nothing is written beside images and labels, unless asked for")
    func besideLabels() throws {
      let before = (files(in: "data/leftImg8bit"), files(in: "data/gtFine"))
      let job = try work.gscnn("prepare")
      #expect(job.status == 0 && job.errors == [], "\(job.errors)")
      #expect(job.output.first == "7 images prepared in data/prepared")
      #expect(files(in: "data/leftImg8bit") == before.0 && files(in: "data/gtFine") == before.1)
      #expect(files(in: "data/prepared").count == 7 * 3)

      let asked = try work.gscnn("prepare", "--prepared", "data/gtFine")
      #expect(asked.output.first == "7 images prepared in data/gtFine")
      #expect(work.exists("data/gtFine/train/synthetica/synthetica_000000_000019_gtFine_grad.png"))
      // Later they are found there.
      try work.remove("data/prepared")
      let found = try work.gscnn("prepare")
      #expect(found.output.first == "everything is prepared in data/gtFine")
      #expect(found.errors == ["gscnn: prepared maps: data/gtFine"])
      #expect(!work.exists("data/prepared"))
    }

    @Test(
      "A data set that cannot be written is prepared in the cache, once",
      .disabled(if: missing != nil, "\(missing ?? "")"))
    func readOnlyData() throws {
      let cache = ["XDG_CACHE_HOME": work.place("cache")]
      let first = try Job.run("gscnn", Self.step, ranks: 2, under: readOnly, environment: cache)
      #expect(first.status == 0, "\(first.errors)")
      let line = try #require(first.errors.first { $0.contains("prepared maps") })
      #expect(line.hasPrefix("gscnn: prepared maps: \(work.place("cache"))/gscnn/data-"))
      #expect(line.hasSuffix(", because data/prepared: cannot be written (Read-only file system)"))
      #expect(first.errors.count { $0.contains("prepared maps") } == 1)
      #expect(first.errors.contains { $0.hasPrefix("7 images prepared in \(work.place("cache"))/gscnn/data-") })
      #expect(files(in: "cache").count == 7 * 3)
      #expect(!work.exists("data/prepared"))

      let second = try Job.run("gscnn", ["prepare"], under: readOnly, environment: cache)
      #expect(second.status == 0)
      #expect(second.output.first?.hasPrefix("everything is prepared in \(work.place("cache"))") == true)
    }

    @Test(
      "Maps of a data set that cannot be written go to --prepared, or its owner makes them once for all",
      .disabled(if: missing != nil, "\(missing ?? "")"))
    func readOnlyPrepared() throws {
      let job = try Job.run("gscnn", ["prepare", "--prepared", "maps"], under: readOnly)
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.output.first == "7 images prepared in maps" && job.errors == [])
      #expect(files(in: "maps").count == 7 * 3)

      #expect(try work.gscnn("prepare").status == 0)
      let none = ["XDG_CACHE_HOME": "/dev/null"]
      let ready = try Job.run("gscnn", ["prepare"], under: readOnly, environment: none)
      #expect(ready.status == 0, "\(ready.errors)")
      #expect(ready.output.first == "everything is prepared in data/prepared" && ready.errors == [])
    }

    @Test(
      "Where no folder can be written the error says so, and its remedy works",
      .disabled(if: missing != nil, "\(missing ?? "")"))
    func nowhere() throws {
      let none = ["XDG_CACHE_HOME": "/dev/null"]
      let job = try Job.run("gscnn", ["prepare"], under: readOnly, environment: none)
      #expect(job.status == 1 && job.output == [])
      try #require(job.errors.count == 1, "\(job.errors)")
      let line = job.errors[0]
      #expect(line.hasPrefix("gscnn: data/prepared: cannot be written (Read-only file system); /dev/null/gscnn/data-"))
      #expect(line.contains("(Not a directory); give a folder that can be written as --prepared"))
      #expect(try Job.run("gscnn", ["prepare", "--prepared", "maps"], under: readOnly, environment: none).status == 0)
      try work.expectRefusal(
        ["prepare", "--prepared", "/dev/null/maps"], status: 1, saying: "--prepared /dev/null/maps: cannot be written",
        "(Not a directory)", "give a folder that can be written")
    }

    @Test("A label replaced by an older one is prepared anew; files of the future are prepared once")
    func dates() throws {
      try work.makeStreets("other")
      for split in ["train", "val", "test"] {
        try setDate(Workplace.labelIds(split), secondsFromNow: 1e8)
        try setDate(Workplace.image(split), secondsFromNow: 1e8)
      }
      #expect(try work.gscnn("prepare").output.first == "7 images prepared in data/prepared")
      #expect(try work.gscnn("prepare").output.first == "everything is prepared in data/prepared")
      let boundary = "data/prepared/train/synthetica/synthetica_000001_000019_gtFine_boundary.png"
      let before = try Data(contentsOf: URL(fileURLWithPath: work.place(boundary)))
      try work.copy(Workplace.labelIds("train", 2), to: Workplace.labelIds("train", 1))
      try setDate(Workplace.labelIds("train", 1), secondsFromNow: -1e8)
      #expect(try work.gscnn("prepare").output.first == "1 image prepared in data/prepared")
      #expect(try Data(contentsOf: URL(fileURLWithPath: work.place(boundary))) != before)
      #expect(try work.gscnn("prepare").output.first == "everything is prepared in data/prepared")
    }

    private func setDate(_ name: String, secondsFromNow: Double) throws {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: secondsFromNow)], ofItemAtPath: work.place(name))
    }

    @Test("Train ids under the name of label ids are found by their values, at every start")
    func trainIds() throws {
      #expect(try work.gscnn("prepare").errors == [])
      for index in 0..<4 {
        // A label map without a pixel that is ignored: 255 would be refused.
        try work.copy(Workplace.fixture("train_ids.png"), to: Workplace.labelIds("train", index))
      }
      let warning =
        "gscnn: warning: data/gtFine/train: holds no label id above 18, as if they were train ids; put the "
        + "*_gtFine_labelIds.png files of gtFine_trainvaltest.zip there, or convert yours to label ids"
      let prepared = try work.gscnn("prepare", ranks: 2)
      #expect(prepared.errors == [warning])
      #expect(prepared.output.first == "4 images prepared in data/prepared")
      #expect(prepared.output.dropFirst().map { $0.split(separator: " ")[0] } == ["train:", "val:", "test:"])
      let trained = try work.gscnn(Self.step)
      #expect(trained.status == 0 && trained.errors.contains(warning))
    }

    @Test("Labels that are not unzipped are one error, which names the folder and the archive")
    func noLabels() throws {
      try work.remove("data/gtFine/train")
      try work.expectRefusal(
        ["prepare"], status: 1, saying: "gscnn: data/gtFine/train: holds no label for any of its 4 images",
        "unzip gtFine_trainvaltest.zip in data")
      #expect(!work.exists("data/prepared"))
      try work.remove("data/gtFine")
      let job = try work.gscnn("prepare", ranks: 2)
      #expect(job.status == 1)
      #expect(job.errors.count == 3, "\(job.errors)")
      #expect(job.errors[1].hasPrefix("gscnn: data/gtFine/val: holds no label for any of its 2 images"))
    }

    @Test("Labels unzipped into another folder are found; moving them as told is enough", arguments: [nil, 2])
    func nestedLabels(ranks: Int?) throws {
      try FileManager.default.moveItem(atPath: work.place("data/gtFine"), toPath: work.place("labels"))
      try FileManager.default.createDirectory(
        atPath: work.place("data/gtFine"), withIntermediateDirectories: true)
      try FileManager.default.moveItem(atPath: work.place("labels"), toPath: work.place("data/gtFine/gtFine"))
      let job = try work.gscnn("prepare", ranks: ranks)
      #expect(job.status == 1)
      #expect(
        job.errors.first?.hasSuffix("they lie in data/gtFine/gtFine: move the folders in it to data/gtFine") == true)
      for split in ["train", "val", "test"] {
        try FileManager.default.moveItem(
          atPath: work.place("data/gtFine/gtFine/\(split)"), toPath: work.place("data/gtFine/\(split)"))
      }
      #expect(try work.gscnn("prepare", ranks: ranks).status == 0)
    }

    @Test("Of many missing labels five are named and the others counted; nothing is prepared", arguments: [nil, 2])
    func manyMissing(ranks: Int?) throws {
      try work.makeStreets("many", train: 9)
      for index in 0..<8 { try work.remove(Workplace.labelIds("train", index, in: "many")) }
      let job = try work.gscnn("prepare", "--data-path", "many", ranks: ranks)
      #expect(job.status == 1)
      try #require(job.errors.count == 7, "\(job.errors)")
      for index in 0..<5 {
        let label = Workplace.labelIds("train", index, in: "many")
        #expect(job.errors[index].hasPrefix("gscnn: \(label): does not exist, but its image"))
      }
      #expect(job.errors[5] == "gscnn: … and 3 more")
      #expect(job.errors[6] == "gscnn: many: 8 problems; correct what is named above, then start again")
      #expect(!work.exists("many/prepared"))
    }

    @Test("A test split without labels is used without them")
    func testWithoutLabels() throws {
      try work.remove("data/gtFine/test")
      let job = try work.gscnn(Self.step)
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.errors.contains("test: 100.0 % ignored"))
    }

    @Test("A damaged image of any split is found before the first step, a damaged map is made anew")
    func damaged() throws {
      #expect(try work.gscnn("prepare").status == 0)
      let maps = "data/prepared/val/synthetica/synthetica_000001_000019_gtFine_"
      let before = try Data(contentsOf: URL(fileURLWithPath: work.place("\(maps)grad.png")))
      try work.truncate("\(maps)grad.png")
      try work.write(Data(), to: "\(maps)boundary.png")
      let job = try work.gscnn(Self.step)
      #expect(job.status == 0, "\(job.errors)")
      #expect(try Data(contentsOf: URL(fileURLWithPath: work.place("\(maps)grad.png"))) == before)

      let image = Workplace.image("val", 1)
      let original = try Data(contentsOf: URL(fileURLWithPath: work.place(image)))
      try work.truncate(image)
      for ranks in [nil, 2] {
        try work.expectRefusal(
          Self.step + ["--save-path", "other"], ranks: ranks, status: 1, saying: image, "is truncated",
          "restore the file")
      }
      try work.write(original, to: image)
      #expect(try work.gscnn(Self.step + ["--save-path", "other"]).status == 0)
    }
  }
}
