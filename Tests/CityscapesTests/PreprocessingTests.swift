import Cityscapes
import Foundation
import ImageFixtures
import Images
import SyntheticStreets
import Tensors
import Testing

@Suite("Preprocessing") struct PreprocessingTests {
  /// The counts of an outcome.
  private func counts(_ outcome: Preprocessing.Outcome) -> [Int] {
    [outcome.written.count, outcome.upToDate, outcome.skipped]
  }

  /// Gives maps a time in the past, so that a new map has another one.
  private func setBack(_ samples: [SamplePaths]) throws {
    for paths in samples {
      for path in [paths.labelTrainIds, paths.boundary, paths.canny] {
        try setModificationDate(of: path, secondsAgo: 400)
      }
    }
  }

  @Test("writes train ids, boundaries and edges bit-identical to the reference tools, and nothing beside the labels")
  func parity() throws {
    let folder = try TemporaryFolder()
    let paths = try folder.fixtureSample()
    #expect(!Preprocessing([paths]).survey().isComplete)
    #expect(counts(try Preprocessing([paths]).run()) == [1, 0, 0])
    #expect(Preprocessing([paths]).survey().isComplete)
    for (written, reference) in [
      (paths.labelTrainIds, "labelTrainIds"), (paths.boundary, "boundary"), (paths.canny, "canny_10_100"),
    ] {
      #expect(try PNG.read(written, as: .gray) == ImageFixtures.gray(reference), "\(reference)")
      #expect(written.hasPrefix(folder.path + "/prepared/train/fixture/"))
    }
    let beside = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/gtFine/train/fixture")
    #expect(beside == ["fixture_000000_000019_gtFine_labelIds.png"])
  }

  @Test("keeps maps while images and labels have the same contents, whatever their dates", arguments: [-1e6, 1e6])
  func dates(secondsAgo: Double) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 2)
    try setBack(samples)
    let before = try modificationDate(of: samples[1].canny)
    try setModificationDate(of: samples[1].image, secondsAgo: secondsAgo)
    try setModificationDate(of: samples[1].labelIds, secondsAgo: secondsAgo)
    let survey = Preprocessing(samples).survey()
    #expect(survey.isComplete && survey.hasNewDates)
    let map = try PNG.read(samples[1].canny, as: .gray)
    #expect(counts(try Preprocessing(samples).run()) == [0, 2, 0])
    // The map now carries the new date: the next survey need not read the image.
    #expect(try modificationDate(of: samples[1].canny) != before)
    #expect(try PNG.read(samples[1].canny, as: .gray) == map)
    #expect(!Preprocessing(samples).survey().hasNewDates)
  }

  @Test("makes the maps of a label anew that another replaces, even an older one of the same size")
  func replaced() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 2)
    // What follows the end of an image is ignored.
    func append(_ text: String, to path: String) throws {
      let url = URL(fileURLWithPath: path)
      try (Data(contentsOf: url) + Data(text.utf8)).write(to: url)
    }
    let label = samples[1].labelIds
    let original = try Data(contentsOf: URL(fileURLWithPath: label))
    try append("1", to: label)
    _ = try Preprocessing(samples).run()
    for (text, age) in [("2", 1e6), ("3", -1e6), ("longer", 1e6)] {
      try setBack(samples)
      let others = [samples[1].canny, samples[0].boundary]
      let (date, dates) = try (modificationDate(of: samples[1].boundary), others.map(modificationDate))
      try original.write(to: URL(fileURLWithPath: label))
      try append(text, to: label)
      try setModificationDate(of: label, secondsAgo: age)
      #expect(!Preprocessing(samples).survey().isComplete)
      let outcome = try Preprocessing(samples).run()
      #expect(outcome.written == [1] && outcome.upToDate == 1)
      #expect(try modificationDate(of: samples[1].boundary) != date)
      #expect(try others.map(modificationDate) == dates, "edges do not depend on labels")
      #expect(Preprocessing(samples).survey().isComplete)
    }
  }

  @Test("keeps maps of earlier versions, unless their source has been replaced since")
  func earlierVersion() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 3)
    for paths in samples {
      for path in [paths.labelTrainIds, paths.boundary, paths.canny] {
        // Earlier versions wrote no text into the file.
        try PNG.write(PNG.read(path, as: .gray), to: path)
        try setModificationDate(of: path, secondsAgo: -100)
      }
    }
    let survey = Preprocessing(samples).survey()
    #expect(survey.isComplete && survey.labels[.train] == nil)
    // An older label is moved over a label, and a newer one.
    for (index, date) in [(0, 1e6), (1, -1e6)] {
      for map in [samples[index].labelTrainIds, samples[index].boundary] {
        try setModificationDate(of: map, secondsAgo: 100)
      }
      let label = samples[index].labelIds
      try folder.copy(label, to: label + ".new")
      try setModificationDate(of: label + ".new", secondsAgo: date)
      #expect(rename(label + ".new", label) == 0)
    }
    #expect(try Preprocessing(samples).run().written == [0, 1])
  }

  @Test(
    "makes maps anew whose text is damaged",
    arguments: [
      "", "[", "{}", #"{"hash":-1,"modified":1,"size":1}"#, #"{"hash":1,"modified":1e99,"size":1}"#,
      #"{"hash":1,"labels":[1,2],"modified":1,"size":1}"#,
    ])
  func damagedText(text: String) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 1)
    let map = try PNG.read(samples[0].boundary, as: .gray)
    try PNG.write(map, to: samples[0].boundary, text: PNG.Text(keyword: "gscnn source", value: text))
    #expect(try Preprocessing(samples).run().written == [0])
    #expect(try Preprocessing(samples).run().written == [])
  }

  @Test("makes damaged maps anew")
  func damagedMaps() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 5)
    let before = try samples.map { try Sample.read($0, index: 0).trainIds }
    try truncate(samples[0].labelTrainIds)
    try PNG.write(Image(Size(32, 32), channels: 1), to: samples[1].labelTrainIds)
    try Data("no image".utf8).write(to: URL(fileURLWithPath: samples[2].canny))
    try FileManager.default.removeItem(atPath: samples[3].boundary)
    #expect(!Preprocessing(samples).survey().isComplete)
    #expect(try Preprocessing(samples).run().written == [0, 1, 2, 3])
    #expect(try samples.map { try Sample.read($0, index: 0).trainIds } == before)
  }

  @Test("Ranks share the samples without overlap and leave no other files", arguments: [1, 3])
  func ranks(threads: Int) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 7)
    let outcomes = try (0..<3).map { try Preprocessing(samples, rank: $0, ranks: 3).run(threads: threads) }
    #expect(outcomes.map(\.written) == [[0, 3, 6], [1, 4], [2, 5]])
    #expect(outcomes.map(\.upToDate) == [0, 0, 0])
    #expect(Preprocessing(samples).survey().isComplete)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/prepared/train/synthetica")
    #expect(files.count == 7 * 3)
  }

  @Test("Each host begins at another sample; on a common disk it makes what the others have not made")
  func hosts() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 6)
    // Both are stopped after three samples.
    for (host, written) in [(0, [0, 1, 2]), (1, [3, 4, 5])] {
      var done = 0.0
      let half = try Preprocessing(samples, host: host, hosts: 2).run(
        cancelled: { done == 0.5 }, progress: { done = $0 })
      #expect(half.written == written && half.skipped == 3)
    }
    #expect(try Preprocessing(samples, host: 1, hosts: 2).run().upToDate == 6)
    // With a disk of its own a host makes all maps.
    let own = samples.map { $0.prepared(in: folder.path + "/own") }
    #expect(try Preprocessing(own, host: 1, hosts: 2).run().written == Array(0..<6))
  }

  @Test("reports all unusable files together, and processes the others")
  func problems() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 8)
    try FileManager.default.removeItem(atPath: samples[0].labelIds)
    try PNG.write(Image(Size(32, 32), channels: 1), to: samples[1].labelIds)
    try truncate(samples[2].image)
    try folder.copy(ImageFixtures.path("gray_16bit_64x32"), to: samples[3].labelIds)
    try PNG.write(Image(Size(32, 64), channels: 3), to: samples[4].labelIds)
    try PNG.write(Image(Size(32, 64), channels: 1, filledWith: 34), to: samples[5].labelIds)
    try Data("no image".utf8).write(to: URL(fileURLWithPath: samples[6].labelIds))

    let error = #expect(throws: PreprocessingError.self) { try Preprocessing(samples).run(threads: 2) }
    let problems = try #require(error).problems
    let expected = [
      (samples[0].labelIds, "does not exist"), (samples[1].labelIds, "32×32, but its image is 64×32"),
      (samples[2].image, "truncated"), (samples[3].labelIds, "16-bit"), (samples[4].labelIds, "8-bit RGB"),
      (samples[5].labelIds, "holds 34, but label ids end at 33"), (samples[6].labelIds, "not a PNG"),
    ]
    #expect(problems.map(\.sample) == Array(0..<7))
    for (problem, (path, cause)) in zip(problems.map(\.line), expected) {
      #expect(problem.hasPrefix(path + ": "))
      #expect(problem.contains(cause), "\(problem)")
      #expect(!problem.contains("\n"))
    }
    #expect("\(try #require(error))".split(separator: "\n").count == 8)
    #expect(Preprocessing([samples[7]]).survey().isComplete)
    #expect(!FileManager.default.fileExists(atPath: samples[5].labelTrainIds))

    // The headers say the same, but not which ids a label holds.
    let survey = Preprocessing(samples).survey(threads: 2)
    #expect(survey.unlabeled == [0])
    #expect(survey.problems.sorted { $0.sample < $1.sample } == problems.filter { ![0, 5].contains($0.sample) })
  }

  @Test("An image of the test split needs no label: its pixels are ignored")
  func testSplit() throws {
    let folder = try TemporaryFolder()
    try SyntheticStreets(train: 1, val: 0, test: 1, size: Size(32, 64)).write(to: folder.path)
    let paths = try CityscapesDirectory(root: folder.path).samples(of: .test)[0]
    let label = try Data(contentsOf: URL(fileURLWithPath: paths.labelIds))
    try FileManager.default.removeItem(atPath: paths.labelIds)
    #expect(Preprocessing([paths]).survey().unlabeled == [0])
    #expect(counts(try Preprocessing([paths]).run()) == [1, 0, 0])
    #expect(counts(try Preprocessing([paths]).run()) == [0, 1, 0])
    let sample = try Sample.read(paths, index: 0)
    #expect(sample.trainIds.pixels.allSatisfy { $0 == Label.ignored })
    #expect(sample.canny.pixels.contains(255))
    // Its label comes later.
    try label.write(to: URL(fileURLWithPath: paths.labelIds))
    #expect(counts(try Preprocessing([paths]).run()) == [1, 0, 0])
    #expect(try Sample.read(paths, index: 0).trainIds.pixels.contains { $0 != Label.ignored })
  }

  @Test("A label map with a palette is read by index")
  func palette() throws {
    let folder = try TemporaryFolder()
    let paths = try folder.fixtureSample()
    let labelIds = try PNG.read(paths.labelIds, as: .gray)
    try PNG.write(indices: labelIds, palette: Label.idPalette, to: paths.labelIds)
    _ = try Preprocessing([paths]).run()
    #expect(try PNG.read(paths.labelTrainIds, as: .gray) == ImageFixtures.gray("labelTrainIds"))
  }

  @Test("The label ids of a split are counted when maps are made, and known afterwards")
  func labels() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 3)
    var counts = LabelCounts()
    for paths in samples { counts += LabelCounts(labelIds: try PNG.read(paths.labelIds, as: .gray).pixels) }
    #expect(try Preprocessing(samples).run().labels[.train] == counts)
    #expect(Preprocessing(samples).survey().labels[.train] == counts)
    #expect(counts.pixels.reduce(0, +) == 3 * 64 * 32)
  }

  @Test("Progress counts every sample once")
  func progress() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 5)
    var shares: [Double] = []
    _ = try Preprocessing(samples).run(threads: 3, progress: { shares.append($0) })
    #expect(shares == [0.2, 0.4, 0.6, 0.8, 1])
  }

  @Test("A cancelled run finishes the samples it has begun, skips the others and leaves no other files")
  func cancelled() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 5)
    var done = 0.0
    let outcome = try Preprocessing(samples).run(cancelled: { done == 0.4 }, progress: { done = $0 })
    #expect(counts(outcome) == [2, 0, 3])
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/prepared/train/synthetica")
    #expect(files.count == 2 * 3)
    #expect(counts(try Preprocessing(samples).run()) == [3, 2, 0])
  }
}
