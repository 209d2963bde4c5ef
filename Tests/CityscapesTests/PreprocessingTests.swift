import Cityscapes
import Foundation
import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Preprocessing") struct PreprocessingTests {
  @Test("writes train ids, boundaries and edges bit-identical to the reference tools")
  func parity() throws {
    let folder = try TemporaryFolder()
    let paths = try folder.fixtureSample()
    #expect(Preprocessing([paths]).isNeeded)
    #expect(try Preprocessing([paths]).run() == .init(written: 1, upToDate: 0))
    #expect(!Preprocessing([paths]).isNeeded)
    for (written, reference) in [
      (paths.labelTrainIds, "labelTrainIds"), (paths.boundary, "boundary"), (paths.canny, "canny_10_100"),
    ] {
      #expect(try PNG.read(written, as: .gray) == ImageFixtures.gray(reference), "\(reference)")
    }
  }

  @Test("keeps files that are up to date and rewrites files older than their source")
  func repeatable() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 2)
    for paths in samples {
      for path in [paths.image, paths.labelIds] { try setModificationDate(of: path, secondsAgo: 500) }
      for path in [paths.labelTrainIds, paths.boundary, paths.canny] {
        try setModificationDate(of: path, secondsAgo: 400)
      }
    }
    let before = try modificationDate(of: samples[1].canny)
    let older = try modificationDate(of: samples[1].boundary)
    #expect(try Preprocessing(samples).run() == .init(written: 0, upToDate: 2))
    try setModificationDate(of: samples[1].labelIds, secondsAgo: 300)
    #expect(Preprocessing(samples).isNeeded)
    #expect(try Preprocessing(samples).run() == .init(written: 1, upToDate: 1))
    #expect(try modificationDate(of: samples[1].canny) == before, "edges do not depend on labels")
    #expect(try modificationDate(of: samples[1].boundary) != older)
    #expect(!Preprocessing(samples).isNeeded)
  }

  @Test("Ranks share the samples without overlap and leave no other files", arguments: [1, 3])
  func ranks(threads: Int) throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 7)
    let outcomes = try (0..<3).map { try Preprocessing(samples, rank: $0, ranks: 3).run(threads: threads) }
    #expect(outcomes.map(\.written) == [3, 2, 2])
    #expect(outcomes.map(\.upToDate) == [0, 0, 0])
    #expect(!Preprocessing(samples).isNeeded)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/gtFine/train/synthetica")
    #expect(files.count == 7 * 5)
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
    #expect(problems.count == expected.count)
    for (problem, (path, cause)) in zip(problems, expected) {
      #expect(problem.hasPrefix(path + ": "))
      #expect(problem.contains(cause), "\(problem)")
      #expect(!problem.contains("\n"))
    }
    #expect("\(try #require(error))".split(separator: "\n").count == 8)
    #expect(!Preprocessing([samples[7]]).isNeeded)
    #expect(!FileManager.default.fileExists(atPath: samples[5].labelTrainIds))
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

  @Test("Progress counts every sample once")
  func progress() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.streets(train: 5)
    var counts: [Int] = []
    _ = try Preprocessing(samples).run(threads: 3) { counts.append($0) }
    #expect(counts == [1, 2, 3, 4, 5])
  }
}
