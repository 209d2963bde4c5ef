import Cityscapes
import ImageFixtures
import Images
import SyntheticStreets
import Tensors
import Testing

@Suite("Synthetic streets") struct SyntheticStreetsTests {
  private func classes(in paths: [SamplePaths]) throws -> Set<UInt8> {
    Set(try paths.flatMap { try PNG.read($0.labelIds, as: .gray).pixels.map { Label.trainIds[Int($0)] } })
  }

  @Test("have Cityscapes' directory layout, with images, label ids and colors of the given size")
  func layout() throws {
    let folder = try TemporaryFolder()
    try SyntheticStreets(train: 3, val: 2, test: 1, size: Size(48, 100)).write(to: folder.path)
    for (split, count) in [(Split.train, 3), (.val, 2), (.test, 1)] {
      let samples = try CityscapesDirectory(root: folder.path).samples(of: split)
      #expect(samples.count == count)
      for paths in samples {
        let image = try PNG.read(paths.image, as: .rgb)
        let ids = try PNG.read(paths.labelIds, as: .gray)
        #expect(image.size == Size(48, 100) && ids.size == image.size)
        #expect(try #require(ids.pixels.max()) <= Label.largestId)
        #expect(try PNG.read(paths.color, as: .rgb) == Palette.colored(ids, by: Label.idPalette))
      }
    }
    let name = try CityscapesDirectory(root: folder.path).samples(of: .train)[2].name
    #expect(name == "synthetica_000002_000019")
  }

  @Test("show all 19 classes in four images, and some ignored pixels")
  func allClasses() throws {
    let folder = try TemporaryFolder()
    try SyntheticStreets(train: 0, val: 4, test: 4).write(to: folder.path)
    let expected = Set((0..<19).map(UInt8.init) + [Label.ignored])
    #expect(try classes(in: CityscapesDirectory(root: folder.path).samples(of: .val)) == expected)
    #expect(try classes(in: CityscapesDirectory(root: folder.path).samples(of: .test)) == expected)
  }

  @Test("are a function of seed, split and index")
  func deterministic() throws {
    func bytes(seed: UInt64, train: Int, threads: Int) throws -> [[UInt8]] {
      let folder = try TemporaryFolder()
      try SyntheticStreets(train: train, val: 1, test: 0, size: Size(32, 64), seed: seed)
        .write(to: folder.path, threads: threads)
      let samples = try CityscapesDirectory(root: folder.path).samples(of: .train)
      return try (samples + CityscapesDirectory(root: folder.path).samples(of: .val)).map {
        try PNG.read($0.image, as: .rgb).pixels
      }
    }
    let first = try bytes(seed: 1, train: 2, threads: 1)
    let more = try bytes(seed: 1, train: 5, threads: 3)
    #expect(first[0] == more[0] && first[1] == more[1] && first[2] == more[5])
    #expect(try bytes(seed: 2, train: 1, threads: 1)[0] != first[0])
    #expect(Set(more).count == 6, "no two images are the same")
  }

  @Test("have any size from 32×32", arguments: [(32, 32), (33, 90), (200, 40)])
  func sizes(height: Int, width: Int) throws {
    let folder = try TemporaryFolder()
    try SyntheticStreets(train: 1, val: 0, test: 0, size: Size(height, width), seed: 3).write(to: folder.path)
    let paths = try CityscapesDirectory(root: folder.path).samples(of: .train)
    #expect(try PNG.read(paths[0].image, as: .rgb).size == Size(height, width))
    #expect(try classes(in: paths).isSuperset(of: [0, Label.ignored]))
  }

  @Test("are an error below 32 pixels, with a negative count, and among other images")
  func refused() throws {
    let folder = try TemporaryFolder()
    #expect(throws: SyntheticStreetsError.tooSmall(width: 64, height: 31)) {
      try SyntheticStreets(size: Size(31, 64)).write(to: folder.path)
    }
    #expect(throws: SyntheticStreetsError.negative(.val, -1)) {
      try SyntheticStreets(val: -1).write(to: folder.path)
    }
    func write(train: Int) throws {
      try SyntheticStreets(train: train, val: 0, test: 0, size: Size(32, 64)).write(to: folder.path)
    }
    try write(train: 3)
    try write(train: 3)
    let samples = try CityscapesDirectory(root: folder.path).samples(of: .train)
    #expect(throws: SyntheticStreetsError.otherImages(samples[2].image)) {
      try write(train: 2)
    }
  }
}
