import Cityscapes
import Foundation
import Images
import Testing

@Suite("Preprocessing") struct PreprocessingTests {
  @Test("makes train ids, boundaries and edges to the bit as the reference tools do")
  func parity() throws {
    let scratch = try ScratchFolder()
    let paths = try scratch.fixtureSample()
    #expect(Preprocessing([paths]).isNeeded)
    #expect(try Preprocessing([paths]).run() == .init(prepared: 1, leftAlone: 0))
    #expect(!Preprocessing([paths]).isNeeded)
    for (made, reference) in [
      (paths.labelTrainIds, "labelTrainIds.png"), (paths.boundary, "boundary.png"), (paths.grad, "canny_10_100.png"),
    ] {
      #expect(try PNG.read(made, as: .gray) == PNG.read(Fixture.path(reference), as: .gray), "\(reference)")
    }
  }

  @Test("leaves alone what is there and makes again what is older than its source")
  func repeatable() throws {
    let scratch = try ScratchFolder()
    let samples = try scratch.preparedStreets(train: 2)
    for paths in samples {
      for path in [paths.image, paths.labelIds] { try setModificationDate(of: path, secondsAgo: 500) }
      for path in [paths.labelTrainIds, paths.boundary, paths.grad] {
        try setModificationDate(of: path, secondsAgo: 400)
      }
    }
    let before = try modificationDate(of: samples[1].grad)
    let older = try modificationDate(of: samples[1].boundary)
    #expect(try Preprocessing(samples).run() == .init(prepared: 0, leftAlone: 2))
    try setModificationDate(of: samples[1].labelIds, secondsAgo: 300)
    #expect(Preprocessing(samples).isNeeded)
    #expect(try Preprocessing(samples).run() == .init(prepared: 1, leftAlone: 1))
    #expect(try modificationDate(of: samples[1].grad) == before, "edges do not depend on labels")
    #expect(try modificationDate(of: samples[1].boundary) != older)
    #expect(!Preprocessing(samples).isNeeded)
  }

  @Test("Ranks share the samples without overlap, and leave nothing but the files named", arguments: [1, 3])
  func ranks(threads: Int) throws {
    let scratch = try ScratchFolder()
    let samples = try scratch.streets(train: 7)
    let outcomes = try (0..<3).map { try Preprocessing(samples, rank: $0, ranks: 3).run(threads: threads) }
    #expect(outcomes.map(\.prepared) == [3, 2, 2])
    #expect(outcomes.map(\.leftAlone) == [0, 0, 0])
    #expect(!Preprocessing(samples).isNeeded)
    let files = try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/gtFine/train/synthetica")
    #expect(files.count == 7 * 5)
  }

  @Test("tells of all files that cannot be used together, and prepares the others")
  func problems() throws {
    let scratch = try ScratchFolder()
    let samples = try scratch.streets(train: 8)
    try FileManager.default.removeItem(atPath: samples[0].labelIds)
    try PNG.write(Image(width: 32, height: 32, channels: 1), to: samples[1].labelIds)
    try truncate(samples[2].image)
    try scratch.place(Fixture.path("gray_16bit_64x32.png"), at: samples[3].labelIds)
    try PNG.write(
      indices: Image(width: 64, height: 32, channels: 1), palette: Label.palette, to: samples[4].labelIds)
    try PNG.write(Image(width: 64, height: 32, channels: 1, filledWith: 34), to: samples[5].labelIds)
    try Data("no image".utf8).write(to: URL(fileURLWithPath: samples[6].labelIds))

    let error = #expect(throws: PreprocessingError.self) { try Preprocessing(samples).run(threads: 2) }
    let problems = try #require(error).problems
    let expected = [
      (samples[0].labelIds, "does not exist"), (samples[1].labelIds, "32×32, but its image is 64×32"),
      (samples[2].image, "truncated"), (samples[3].labelIds, "16-bit"), (samples[4].labelIds, "palette"),
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

  @Test("Progress counts every sample once")
  func progress() throws {
    let scratch = try ScratchFolder()
    let samples = try scratch.streets(train: 5)
    var told: [Int] = []
    _ = try Preprocessing(samples).run(threads: 3) { told.append($0) }
    #expect(told == [1, 2, 3, 4, 5])
  }
}
