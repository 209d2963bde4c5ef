import Cityscapes
import Foundation
import Images
import Testing

@Suite("Synthetic streets") struct SyntheticStreetsTests {
  private func classes(in paths: [SamplePaths]) throws -> Set<UInt8> {
    Set(try paths.flatMap { try PNG.read($0.labelIds, as: .gray).pixels.map { Label.trainIds[Int($0)] } })
  }

  @Test("lie in Cityscapes' layout, with images, label ids and colors of the size asked for")
  func layout() throws {
    let scratch = try ScratchFolder()
    try SyntheticStreets(train: 3, val: 2, test: 1, height: 48, width: 100).write(to: scratch.path)
    for (split, count) in [(Split.train, 3), (.val, 2), (.test, 1)] {
      let samples = try CityscapesDirectory(root: scratch.path).samples(of: split)
      #expect(samples.count == count)
      for paths in samples {
        let image = try PNG.read(paths.image, as: .rgb)
        let ids = try PNG.read(paths.labelIds, as: .gray)
        #expect(image.width == 100 && image.height == 48)
        #expect(ids.width == 100 && ids.height == 48)
        #expect(try #require(ids.pixels.max()) <= Label.largestId)
        #expect(try PNG.read(paths.color, as: .rgb) == Palette.colored(ids, by: Label.idPalette))
      }
    }
    let name = try CityscapesDirectory(root: scratch.path).samples(of: .train)[2].name
    #expect(name == "synthetica_000002_000019")
  }

  @Test("show all 19 classes in four images, and some pixels that do not count")
  func allClasses() throws {
    let scratch = try ScratchFolder()
    try SyntheticStreets(train: 0, val: 4, test: 4).write(to: scratch.path)
    let expected = Set((0..<19).map(UInt8.init) + [255])
    #expect(try classes(in: CityscapesDirectory(root: scratch.path).samples(of: .val)) == expected)
    #expect(try classes(in: CityscapesDirectory(root: scratch.path).samples(of: .test)) == expected)
  }

  @Test("depend on seed, split and index alone")
  func deterministic() throws {
    func bytes(seed: UInt64, train: Int, threads: Int) throws -> [[UInt8]] {
      let scratch = try ScratchFolder()
      try SyntheticStreets(train: train, val: 1, test: 0, height: 32, width: 64, seed: seed)
        .write(to: scratch.path, threads: threads)
      let samples = try CityscapesDirectory(root: scratch.path).samples(of: .train)
      return try (samples + CityscapesDirectory(root: scratch.path).samples(of: .val)).map {
        try PNG.read($0.image, as: .rgb).pixels
      }
    }
    let first = try bytes(seed: 1, train: 2, threads: 1)
    let more = try bytes(seed: 1, train: 5, threads: 3)
    #expect(first[0] == more[0] && first[1] == more[1] && first[2] == more[5])
    #expect(try bytes(seed: 2, train: 1, threads: 1)[0] != first[0])
    #expect(Set(more).count == 6, "no two images are the same")
  }

  @Test("are painted at any size from 32×32 on", arguments: [(32, 32), (33, 90), (200, 40)])
  func sizes(height: Int, width: Int) throws {
    let scratch = try ScratchFolder()
    let samples = try scratch.preparedStreets(train: 1, width: width, height: height)
    let sample = try Sample.read(samples[0], index: 0)
    #expect(sample.image.width == width && sample.image.height == height)
    #expect(Set(sample.trainIds.pixels).isSuperset(of: [0, 255]))
  }

  @Test("are refused below 32 pixels, with a negative count, and among other images")
  func refused() throws {
    let scratch = try ScratchFolder()
    #expect(throws: SyntheticStreetsError.tooSmall(width: 64, height: 31)) {
      try SyntheticStreets(height: 31, width: 64).write(to: scratch.path)
    }
    #expect(throws: SyntheticStreetsError.negative(.val, -1)) {
      try SyntheticStreets(val: -1).write(to: scratch.path)
    }
    let samples = try scratch.streets(train: 3)
    _ = try scratch.streets(train: 3)
    #expect(throws: SyntheticStreetsError.otherImages(samples[2].image)) {
      try scratch.streets(train: 2)
    }
  }
}
