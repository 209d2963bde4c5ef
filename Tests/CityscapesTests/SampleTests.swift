import Cityscapes
import Foundation
import Images
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
    let scratch = try ScratchFolder()
    let paths = try scratch.preparedStreets(train: 1)[0]
    let sample = try Sample.read(paths, index: 5)
    #expect(sample.index == 5)
    #expect(try sample.image == PNG.read(paths.image, as: .rgb))
    #expect(try sample.trainIds == PNG.read(paths.labelTrainIds, as: .gray))
    #expect(try sample.canny == PNG.read(paths.grad, as: .gray))
    #expect(try sample.boundary == PNG.read(paths.boundary, as: .gray))
  }

  @Test("that is not prepared is refused with the command that does it")
  func unprepared() throws {
    let scratch = try ScratchFolder()
    let paths = try scratch.streets(train: 1)[0]
    #expect(message(of: paths) == "\(paths.labelTrainIds): does not exist; run gscnn prepare")
  }

  @Test("with a map of another size, a truncated file or values that are no train ids is refused by name")
  func damaged() throws {
    let scratch = try ScratchFolder()
    let samples = try scratch.preparedStreets(train: 4)
    try PNG.write(Image(width: 64, height: 16, channels: 1), to: samples[0].grad)
    #expect(message(of: samples[0]).hasPrefix("\(samples[0].grad): 64×16, but its image is 64×32"))
    try truncate(samples[1].boundary)
    #expect(message(of: samples[1]).hasPrefix("\(samples[1].boundary): is truncated"))
    var stray = Image(width: 64, height: 32, channels: 1)
    stray.pixels[1000] = 19
    try PNG.write(stray, to: samples[2].labelTrainIds)
    #expect(message(of: samples[2]).hasPrefix("\(samples[2].labelTrainIds): holds 19, which is no train id"))
    try PNG.write(Image(width: 64, height: 32, channels: 1), to: samples[3].image)
    #expect(message(of: samples[3]).hasPrefix("\(samples[3].image): is 8-bit gray"))
  }
}
