import Cityscapes
import Foundation
import ImageFixtures
import Images
import Tensors
import Testing

@Suite("A sample") struct SampleTests {
  private func message(of paths: SamplePaths) -> String {
    do throws(ImageError) {
      _ = try Sample.read(paths, index: 0)
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test("is read with its ground truth")
  func read() throws {
    let folder = try TemporaryFolder()
    let paths = try folder.preprocessedStreets(train: 1)[0]
    let sample = try Sample.read(paths, index: 5)
    #expect(sample.index == 5)
    #expect(try sample.image == PNG.read(paths.image, as: .rgb))
    #expect(try sample.trainIds == PNG.read(paths.labelTrainIds, as: .gray))
    #expect(try sample.canny == PNG.read(paths.canny, as: .gray))
    #expect(try sample.boundary == PNG.read(paths.boundary, as: .gray))
  }

  @Test("that is not preprocessed is an error that names the command")
  func notPreprocessed() throws {
    let folder = try TemporaryFolder()
    let paths = try folder.streets(train: 1)[0]
    #expect(message(of: paths) == "\(paths.labelTrainIds): does not exist; run gscnn prepare")
  }

  @Test("with a map of another size, a truncated file or invalid train ids is an error that names the file")
  func damaged() throws {
    let folder = try TemporaryFolder()
    let samples = try folder.preprocessedStreets(train: 4)
    try PNG.write(Image(Size(16, 64), channels: 1), to: samples[0].canny)
    #expect(message(of: samples[0]).hasPrefix("\(samples[0].canny): 64×16, but its image is 64×32"))
    try truncate(samples[1].boundary)
    #expect(message(of: samples[1]).hasPrefix("\(samples[1].boundary): is truncated"))
    var invalid = Image(Size(32, 64), channels: 1)
    invalid.pixels[1000] = 19
    try PNG.write(invalid, to: samples[2].labelTrainIds)
    #expect(message(of: samples[2]).hasPrefix("\(samples[2].labelTrainIds): holds 19, which is no train id"))
    try PNG.write(Image(Size(32, 64), channels: 1), to: samples[3].image)
    #expect(message(of: samples[3]).hasPrefix("\(samples[3].image): is 8-bit gray"))
  }
}
