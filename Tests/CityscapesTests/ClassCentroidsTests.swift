import Cityscapes
import Foundation
import ImageFixtures
import Images
import System
import Tensors
import Testing

@Suite("Class centroids") struct ClassCentroidsTests {
  private let classes = Label.classCount

  private func centroids(_ samples: [SamplePaths]) throws -> ClassCentroids {
    try ClassCentroids(samples.map { try SampleClasses($0, classes: classes) }, classes: classes)
  }

  private func source(_ samples: [SamplePaths]) throws -> UInt64 {
    ClassCentroidsFile.source(
      of: try samples.map { try ClassCentroidsFile.source(of: $0) }, names: 7, classes: classes)
  }

  @Test("Pixels are counted, and a centroid is the mean of a class's pixels in a tile, rounded down")
  func values() throws {
    // Two tiles of 1024 pixels and 60 columns of a third one.
    var map = Image(Size(3, 2108), channels: 1, filledWith: Label.ignored)
    for (row, column, trainId) in [(0, 4, 3), (2, 7, 3), (2, 1023, 3), (1, 1024, 3), (0, 2107, 0)]
      as [(Int, Int, UInt8)]
    { map.pixels[row * 2108 + column] = trainId }
    let centroids = ClassCentroids([SampleClasses(map, classes: 5)], classes: 5)
    #expect(centroids.pixels == [1, 0, 0, 4, 0])
    func place(_ row: Int, _ column: Int) -> ClassCentroids.Place {
      ClassCentroids.Place(sample: 0, centroid: Centroid(row: row, column: column))
    }
    #expect(centroids.places[3] == [place(1, (4 + 7 + 1023) / 3), place(1, 1024)])
    #expect(centroids.places[0] == [place(0, 2107)] && centroids.places[1] == [])
  }

  @Test("The pixel counts of streets are those of their label maps")
  func streets() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let centroids = try centroids(samples)
    var expected = [Int](repeating: 0, count: classes)
    for sample in samples {
      for trainId in try PNG.read(sample.labelTrainIds, as: .gray).pixels where trainId != Label.ignored {
        expected[Int(trainId)] += 1
      }
    }
    #expect(centroids.pixels == expected && expected.max() ?? 0 > 0)
    for (trainId, places) in centroids.places.enumerated() {
      #expect(places.isEmpty == (expected[trainId] == 0))
      for place in places {
        #expect((0..<32).contains(place.centroid.row) && (0..<64).contains(place.centroid.column))
      }
    }
  }

  @Test("The file keeps the centroids of the longest image that can be read")
  func longestImage() throws {
    let place = ClassCentroids.Place(sample: 0, centroid: Centroid(row: 0, column: PNG.maximumPixels - 1))
    let centroids = ClassCentroids(pixels: [PNG.maximumPixels], places: [[place]])
    let text = try ClassCentroidsFile.encode(centroids, source: 1)
    #expect(ClassCentroidsFile.decode(text, source: 1, samples: 1, classes: 1) == centroids)
  }

  @Test("The file is read back; damaged, truncated, outdated or of other samples it is not")
  func file() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets()
    let (centroids, source) = (try centroids(samples), try source(samples))
    let file = ClassCentroidsFile(folder: folder.file("maps/below"))
    func read(_ source: UInt64, samples: Int = 6, classes: Int = Label.classCount) -> ClassCentroids? {
      file.read(source: source, samples: samples, classes: classes)
    }
    #expect(read(source) == nil)
    let text = try ClassCentroidsFile.encode(centroids, source: source)
    try file.write(text)
    #expect(read(source) == centroids)
    #expect(try ClassCentroidsFile.encode(centroids, source: source) == text, "the same bytes each time")
    #expect(read(source + 1) == nil && read(source, samples: 5) == nil && read(source, classes: 18) == nil)

    for position in stride(from: 0, to: text.count, by: max(1, text.count / 40)) {
      var damaged = text
      damaged[position] ^= 1
      try file.write(damaged)
      #expect(read(source) == nil, "byte \(position)")
      try file.write(text.prefix(position))
      #expect(read(source) == nil, "\(position) bytes")
    }
    try FileManager.default.removeItem(atPath: file.path)
    try FileManager.default.createDirectory(atPath: file.path, withIntermediateDirectories: true)
    #expect(read(source) == nil)
    #expect(throws: FileError.self) { try file.write(text) }
  }

  @Test("A file whose numbers are out of range is not read, though its checksum is right")
  func crafted() throws {
    let good = ClassCentroids(
      pixels: [3, 4], places: [[], [ClassCentroids.Place(sample: 1, centroid: Centroid(row: 5, column: 6))]])
    let text = try #require(ChecksummedText.decode(ClassCentroidsFile.encode(good, source: 1)))
    func decode(_ old: String, _ new: String) throws -> ClassCentroids? {
      let changed = String(decoding: text, as: UTF8.self).replacingOccurrences(of: old, with: new)
      try #require(old == new || changed != String(decoding: text, as: UTF8.self))
      return ClassCentroidsFile.decode(
        ChecksummedText.encode(Data(changed.utf8)), source: 1, samples: 2, classes: 2)
    }
    #expect(try decode("x", "x") == good)
    for (old, new) in [
      ("[1,5,6]", "[2,5,6]"), ("[1,5,6]", "[-1,5,6]"), ("[1,5,6]", "[1,\(PNG.maximumPixels),6]"), ("[1,5,6]", "[1,5]"),
      ("[1,5,6]", "[1,5,99999999999999999999]"), ("[3,4]", "[3]"), ("[3,4]", "[3,-4]"),
      ("\"version\":1", "\"version\":2"),
      ("1024", "512"), ("{", "["),
    ] { #expect(try decode(old, new) == nil, "\(new)") }
  }

  @Test("The file belongs to the contents of the maps, not to their dates")
  func sources() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 2)
    let before = try source(samples)
    for sample in samples { try setModificationDate(of: sample.labelIds, secondsAgo: 5000) }
    _ = try Preprocessing(samples).run()
    #expect(try source(samples) == before)
    #expect(try source([samples[1], samples[0]]) != before)
    try folder.copy(samples[1].labelIds, to: samples[0].labelIds)
    _ = try Preprocessing(samples).run()
    #expect(try source(samples) != before)
    // A map of an earlier version, which does not say what it was made from.
    let map = try PNG.read(samples[0].labelTrainIds, as: .gray)
    try PNG.write(map, to: samples[0].labelTrainIds)
    let old = try source(samples)
    try PNG.write(Image(map.size, channels: 1, filledWith: 1), to: samples[0].labelTrainIds)
    #expect(try source(samples) != old)
  }

  @Test("A map that is missing, damaged, or holds no train ids is named with the remedy")
  func refused() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 3)
    try truncate(samples[0].labelTrainIds)
    try FileManager.default.removeItem(atPath: samples[1].labelTrainIds)
    try PNG.write(Image(Size(32, 64), channels: 1, filledWith: 77), to: samples[2].labelTrainIds)
    for (sample, problem) in zip(samples, ["truncated", "", "holds 77, which is no train id"]) {
      let error = #expect(throws: ImageError.self) { try SampleClasses(sample, classes: classes) }
      #expect(error?.path == sample.labelTrainIds)
      #expect(error?.problem.contains(problem) == true || problem.isEmpty, "\(error?.problem ?? "")")
      #expect(error?.remedy.contains("gscnn prepare") == true)
    }
  }
}
