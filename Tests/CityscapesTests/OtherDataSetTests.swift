import Cityscapes
import Foundation
import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Files of other data sets")
struct OtherDataSetTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func table(
    classes: Int = 3, ignored: String = "255", images: String = "images/{split}/{name}.png",
    labels: String = "labels/{split}/{name}.png"
  ) throws -> LabelTable {
    let list = (0..<classes).map { #"{"name": "c\#($0)", "id": \#($0)}"# }.joined(separator: ",")
    return try LabelTable(
      text: #"""
        {"name": "shapes", "classes": [\#(list)], "ignored": [\#(ignored)], "images": "\#(images)", "labels": "\#(labels)",
        "splits": {"train": "training"}}
        """#, in: "shapes.json")
  }

  private func write(_ image: Image, to name: String) throws {
    let path = folder.file(name)
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try PNG.write(image, to: path)
  }

  private func directory(_ table: LabelTable) -> CityscapesDirectory {
    CityscapesDirectory(root: folder.path, files: table.files)
  }

  // MARK: - Listing

  @Test("Images are found by their pattern, in folders too, sorted; others are named in one warning")
  func listing() throws {
    let image = Image(Size(2, 2), channels: 3)
    for name in [
      "images/training/b.png", "images/training/a/z.png", "images/training/a/deep/y.png", "images/val/c.png",
    ] {
      try write(image, to: name)
    }
    try write(image, to: "images/training/photo.jpg")
    _ = try folder.write([1], as: "images/training/notes.txt")
    let table = try table()
    let listing = try directory(table).list(.train)
    #expect(listing.samples.map { "\($0.city)/\($0.name)" } == ["a/deep/y", "a/z", "/b"])
    #expect(listing.samples.map(\.displayName) == ["a-deep-y", "a-z", "b"])
    #expect(
      listing.samples.map(\.image) == ["a/deep/y", "a/z", "b"].map { folder.file("images/training/\($0).png") })
    #expect(
      listing.samples.map(\.labelIds) == ["a/deep/y", "a/z", "b"].map { folder.file("labels/training/\($0).png") })
    #expect(listing.samples[2].boundary == folder.file("prepared/train/b_boundary.png"))
    #expect(listing.samples[0].canny == folder.file("prepared/train/a/deep/y_grad.png"))
    #expect(
      listing.warnings == [
        "\(folder.path)/images/training: 1 file is not named *.png and left out (first: photo.jpg); rename or remove it"
      ])
  }

  @Test("Label maps beside the images are no images")
  func labelsBeside() throws {
    for name in ["training/x.png", "training/x_L.png", "training/y.png", "training/y_L.png"] {
      try write(Image(Size(2, 2), channels: 3), to: name)
    }
    let listing = try directory(table(images: "{split}/{name}.png", labels: "{split}/{name}_L.png")).list(.train)
    #expect(listing.samples.map(\.name) == ["x", "y"] && listing.warnings == [])
  }

  @Test("A split without images is refused with the folder and the pattern")
  func noImages() throws {
    let directory = try directory(table())
    let error = #expect(throws: CityscapesDirectoryError.self) { try directory.list(.train) }
    #expect(
      error?.description
        == "\(folder.path)/images/training: holds no images (looked for \(folder.path)/images/training/*.png)")
  }

  @Test("Without any label the error names where the first was looked for and the key of the description")
  func missingLabels() throws {
    try write(Image(Size(2, 2), channels: 3), to: "images/training/b.png")
    let samples = try directory(table()).samples(of: .train)
    let lines = MissingLabels(samples, of: samples, root: folder.path).problems
    #expect(lines.count == 1 && lines[0].contains("looked for \(folder.path)/labels/training/b.png"))
    #expect(lines[0].contains("\"labels\" in the file of --classes"))
  }

  // MARK: - Preparing

  /// Samples with these label ids, one line of pixels each.
  private func samples(_ rows: [[UInt8]], _ table: LabelTable) throws -> [SamplePaths] {
    for (index, row) in rows.enumerated() {
      let size = Size(1, row.count)
      try write(Image(size, channels: 3, filledWith: 9), to: "images/training/\(index).png")
      try write(Image(size, channels: 1, pixels: row), to: "labels/training/\(index).png")
    }
    return try directory(table).samples(of: .train)
  }

  @Test("Label ids become train ids, ignored ones 255; their pixels are counted by class")
  func trainIds() throws {
    let table = try table(ignored: "7, 255")
    let samples = try samples([[0, 1, 2, 2, 7, 255]], table)
    let outcome = try Preprocessing(samples, table: table).run()
    #expect(try PNG.read(samples[0].labelTrainIds, as: .gray).pixels == [0, 1, 2, 2, 255, 255])
    #expect(
      outcome.labels[.train]?.shares(table)
        == "16.7 % c0, 16.7 % c1, 33.3 % c2, 33.3 % ignored")
    #expect(Preprocessing(samples, table: table).survey().isComplete)
  }

  @Test("An id that is neither a class nor ignored is refused with the file, the id and the remedy")
  func unknownId() throws {
    let table = try table(ignored: "255")
    let samples = try samples([[0, 1], [0, 11]], table)
    let error = #expect(throws: PreprocessingError.self) { _ = try Preprocessing(samples, table: table).run() }
    #expect(
      error?.problems.map(\.line) == [
        "\(samples[1].labelIds): holds 11, which is neither a class nor ignored in shapes; add it to \"ignored\" or to "
          + "\"classes\" in the file of --classes, or restore the label map"
      ])
  }

  @Test("Maps made with other ids are made anew; another name or color changes nothing")
  func anotherTable() throws {
    let (first, second) = (try table(ignored: "3, 255"), try table(classes: 4))
    let samples = try samples([[0, 3, 255]], first)
    _ = try Preprocessing(samples, table: first).run()
    #expect(!Preprocessing(samples, table: second).survey().isComplete)
    #expect(try Preprocessing(samples, table: second).run().written == [0])
    #expect(try PNG.read(samples[0].labelTrainIds, as: .gray).pixels == [0, 3, 255])
    let renamed = try LabelTable(
      text: second.text.replacingOccurrences(of: "c1", with: "other"), in: "renamed.json")
    #expect(Preprocessing(samples, table: renamed).survey().isComplete)
    // Nor is a map taken for one of Cityscapes, or one without a text for one of this table.
    let ids = try PNG.read(samples[0].labelTrainIds, as: .gray)
    try PNG.write(ids, to: samples[0].labelTrainIds)
    #expect(!Preprocessing(samples, table: second).survey().isComplete)
  }

  @Test("1-bit and palette label maps are read by index, and gray PNG and JPEG images as RGB")
  func kinds() throws {
    var bits = CraftedPNG(width: 10, height: 1, bitDepth: 1, colorType: 0)
    bits.rows = [0, 0b1010_0000, 0b0100_0000]
    let table = try table(classes: 2)
    try write(Image(Size(1, 10), channels: 1, filledWith: 40), to: "images/training/a.png")
    try FileManager.default.createDirectory(
      atPath: folder.file("labels/training"), withIntermediateDirectories: true)
    _ = try folder.write(bits.bytes, as: "labels/training/a.png")
    let samples = try directory(table).samples(of: .train)
    _ = try Preprocessing(samples, table: table).run()
    let sample = try Sample.read(samples[0], index: 0, classes: 2)
    #expect(sample.trainIds.pixels == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1])
    #expect(sample.image.pixels == [UInt8](repeating: 40, count: 30))

    let indices = Image(Size(1, 10), channels: 1, pixels: [0, 1, 1, 0, 0, 1, 0, 1, 1, 1])
    let palette: [Palette.Color] = [(red: 200, green: 100, blue: 7), (red: 1, green: 255, blue: 9)]
    try PNG.write(indices: indices, palette: palette, to: samples[0].labelIds)
    _ = try Preprocessing(samples, table: table).run()
    #expect(try Sample.read(samples[0], index: 0, classes: 2).trainIds.pixels == indices.pixels)
  }

  @Test(
    "A PNG image of 16 bits, of gray or with transparency, with bytes after its end, is read as RGB",
    arguments: [0, 2, 4, 6] as [UInt8])
  func otherImages(colorType: UInt8) throws {
    let table = try table(classes: 2)
    let samples = try samples([[UInt8](repeating: 1, count: 50)], table)
    var file = CraftedPNG(width: 50, height: 1, bitDepth: 16, colorType: colorType)
    for index in file.rows.indices.dropFirst() { file.rows[index] = 0x40 }
    _ = try folder.write(file.bytes + [1, 2, 3], as: "images/training/0.png")
    _ = try Preprocessing(samples, table: table).run()
    #expect(try Sample.read(samples[0], index: 0, classes: 2).image.pixels == [UInt8](repeating: 0x40, count: 150))
    _ = try folder.write(Array(file.bytes.dropLast(20)), as: "images/training/0.png")
    let survey = Preprocessing(samples, table: table).survey()
    #expect(survey.problems.count == 1 && survey.problems[0].line.contains("images/training/0.png: is truncated"))
  }

  // MARK: - Many classes

  /// JPEG images of three sizes with labels of 150 classes, prepared.
  private func many() throws -> (samples: [SamplePaths], labels: [Image], table: LabelTable) {
    let table = try table(classes: 150, images: "images/{split}/{name}.jpg")
    try FileManager.default.createDirectory(
      atPath: folder.file("images/training"), withIntermediateDirectories: true)
    var labels: [Image] = []
    for (index, name) in ["jpeg_small", "jpeg_tall", "jpeg_wide"].enumerated() {
      _ = try folder.write(bytes(of: ImageFixtures.jpeg(name)), as: "images/training/\(index).jpg")
      let size = try Photograph.size(ImageFixtures.jpeg(name))
      var ids = Image.noise(size.height, size.width, channels: 1, maximum: 149, seed: UInt64(index) + 1)
      for pixel in stride(from: 0, to: ids.pixels.count, by: 7) { ids.pixels[pixel] = 255 }
      labels.append(ids)
      try write(ids, to: "labels/training/\(index).png")
    }
    let samples = try directory(table).samples(of: .train)
    _ = try Preprocessing(samples, table: table).run()
    return (samples, labels, table)
  }

  @Test(
    "150 classes on JPEG images of different sizes come out of the loader as they are, padded with ignored pixels",
    .enabled(if: JPEG.isSupported, "this program has no libjpeg"))
  func batches() throws {
    let (samples, labels, table) = try many()
    let crop = Size(20, 24)
    let loader = Loader(
      samples: samples, batches: [[0, 1], [2]], transform: .cropped(to: crop), classes: table.classes.count)
    var seen = 0
    while let batch = try loader.next() {
      for slot in batch.indices.indices {
        let ids = labels[seen]
        let image = try Photograph.read(samples[seen].image)
        let canny = try PNG.read(samples[seen].canny, as: .gray)
        let boundary = try PNG.read(samples[seen].boundary, as: .gray)
        for y in 0..<crop.height {
          for x in 0..<crop.width {
            let pixel = (slot * crop.height + y) * crop.width + x
            let isInside = y < ids.size.height && x < ids.size.width
            try #require(batch.target[pixel] == (isInside ? ids[y, x, 0] : 255))
            try #require(batch.boundary[pixel] == (isInside ? boundary[y, x, 0] : 0))
            try #require(batch.canny.start[pixel] == (isInside && canny[y, x, 0] != 0 ? 1 : 0))
            let red = batch.image.start[pixel * batch.image.shape.stride]
            let expected = (Float(isInside ? image[y, x, 0] : 0) / 255 - 0.485) / 0.229
            try #require(isInside ? abs(red - expected) < 1e-5 : red == 0)
          }
        }
        seen += 1
      }
    }
    #expect(seen == 3)
  }

  @Test(
    "Scaled, flipped and cropped, labels of 150 classes are those of 19 classes with the same shapes",
    .enabled(if: JPEG.isSupported, "this program has no libjpeg"))
  func augmented() throws {
    // Ids below 31 are packed into a byte, the others are not: shifting all by 100 must shift the batch alone.
    func batch(shift: UInt8) throws -> [UInt8] {
      let size = Size(33, 47)
      var ids = Image.noise(33, 47, channels: 1, maximum: 18, seed: 5)
      ids.pixels = ids.pixels.map { $0 + shift }
      let sample = Sample(
        index: 0, image: Image(size, channels: 3), trainIds: ids, canny: Image(size, channels: 1),
        boundary: Image(size, channels: 1))
      var targets: [UInt8] = []
      for index in 0..<12 {
        let crop = Size(40, 40)
        let augmentation = Augmentation.random(seed: 3, epoch: 0, index: index, image: size, crop: crop)
        targets += Batch([(sample, augmentation)], crop: crop, normalization: .imagenet).target
      }
      return targets
    }
    let (low, high) = (try batch(shift: 0), try batch(shift: 100))
    let shifted = low.map { (id: UInt8) -> UInt8 in id == 255 ? 255 : id + 100 }
    #expect(shifted == high)
    #expect(low.contains(255) && low.contains(18))
  }

  @Test(
    "The image cache keeps labels of 150 classes on JPEG images, and changes no bit of a batch",
    .enabled(if: JPEG.isSupported, "this program has no libjpeg"))
  func cached() throws {
    let (samples, _, table) = try many()
    // The largest image is jpeg_wide.
    let cache = LocalCache(slots: 3, pixels: 37 * 23, classes: 150)
    func load(_ cache: LocalCache?) throws -> [Batch] {
      let loader = Loader(
        samples: samples, batches: [[0, 1], [2, 0], [1, 2]],
        transform: .augmented(seed: 4, epoch: 1, crop: Size(24, 24)), classes: table.classes.count, cache: cache)
      var batches: [Batch] = []
      while let batch = try loader.next() { batches.append(batch) }
      return batches
    }
    for (plain, cached) in zip(try load(nil), try load(cache)) {
      #expect(plain.image.dense == cached.image.dense && plain.canny.dense == cached.canny.dense)
      #expect(plain.target == cached.target && plain.boundary == cached.boundary)
    }
    #expect(cache.published == 3)
  }

  @Test("A train id of 150 or more in a prepared map is refused", .enabled(if: JPEG.isSupported, "no libjpeg"))
  func invalidTrainId() throws {
    let (samples, _, _) = try many()
    var map = try PNG.read(samples[0].labelTrainIds, as: .gray)
    map.pixels[8] = 150
    try PNG.write(map, to: samples[0].labelTrainIds)
    let error = #expect(throws: ImageError.self) { try Sample.read(samples[0], index: 0, classes: 150) }
    #expect(error?.description.contains("holds 150, which is no train id (0 … 149 or 255)") == true)
  }
}
