import Cityscapes
import Distributed
import Images
import Tensors
import Testing
import Training

extension Trainings {
  @Suite("Browsing the samples of a training")
  struct BrowsedSamplesTests {
    private func options(_ change: (inout TrainingOptions) -> Void = { _ in }) throws -> TrainingOptions {
      var options = TrainingOptions()
      options.dataPath = try Trainings.fewStreets.get()
      (options.cropHeight, options.cropWidth) = (40, 56)
      options.seed = 5
      options.test = .never
      change(&options)
      return options
    }

    private func dataset(_ options: TrainingOptions) throws -> TrainingDataset {
      let communicator = try Communicator.initialize()
      let listed = try TrainingDataset.listOnAllRanks(options, communicator: communicator)
      return try listed.prepared(
        as: Preprocessing.runOnAllRanks(
          listed.train + listed.validation, of: options.dataPath, prepared: nil, communicator: communicator, threads: 1)
      ).drawn(communicator: communicator, threads: 1)
    }

    @Test("The pixels are those of the trainer's first batches, in their order", arguments: [false, true])
    func pixels(isDistorted: Bool) throws {
      let training = try options {
        guard isDistorted else { return }
        $0.augmentationOptions.distortion = ColorDistortion()
        $0.augmentationOptions.blur = BlurRange(0.5, 1.5)
        $0.augmentationOptions.scale = try! ScaleFactors(parsing: "0.5..2")
        $0.normalization = .half
      }
      let loader = try dataset(training).loader(from: Position(epoch: 0, step: 0))
      var browsing = training
      browsing.batchSize = 1
      let browsed = try BrowsedSamples(dataset(browsing), browsing, count: 6)
      #expect(browsed.samples.count == 6)
      var slots: [(batch: Batch, slot: Int)] = []
      while let batch = try loader.next() { slots += batch.indices.indices.map { (batch, $0) } }
      let (mean, deviation) = (training.imageNormalization.mean, training.imageNormalization.deviation)
      let train = try dataset(training).train
      for (sample, (batch, slot)) in zip(browsed.samples, slots) {
        #expect(sample.paths == train[batch.indices[slot]])
        for y in 0..<40 {
          for x in 0..<56 {
            let pixel = y * 56 + x
            for channel in 0..<3 {
              // Normalized again, the byte is what the network gets, but for padding and rounding.
              let byte = Float(sample.image.pixels[3 * pixel + channel])
              let value = (byte / 255 - mean[channel]) / deviation[channel]
              let fed = batch.image[slot, y, x, channel]
              #expect(abs(value - fed) < (fed == 0 ? 0.5 / 255 / deviation[channel] + 1e-5 : 1e-5))
            }
            let place = slot * 40 * 56 + pixel
            #expect(sample.trainIds.pixels[pixel] == batch.target[place])
            #expect(sample.boundary.pixels[pixel] == (batch.boundary[place] == 0 ? 0 : 255))
            #expect(sample.canny.pixels[pixel] == (batch.canny[slot, y, x, 0] == 0 ? 0 : 255))
          }
        }
      }
    }

    @Test("The sheet shows these pixels, and the shares are those of the crops")
    func sheet() throws {
      let browsing = try options { $0.batchSize = 1 }
      let browsed = try BrowsedSamples(dataset(browsing), browsing, count: 3)
      let sheet = try browsed.sheet(width: 56)
      let sample = browsed.samples[2]
      let panels = [
        sample.image, Palette.colored(sample.trainIds, by: Label.palette), sample.boundary, sample.canny,
      ].map {
        $0.channels == 3
          ? $0 : Image.hstack([$0, Image(Size(40, 1), channels: 3)]).cropped(to: Image.Rect(Size(40, 56)))
      }
      let found = (0..<sheet.size.height - 40).first { y in
        sheet.cropped(to: Image.Rect(x: 12, y: y, Size(40, 56))) == panels[0]
      }
      let top = try #require(found)
      for (column, panel) in panels.enumerated() {
        let place = Image.Rect(x: 12 + column * (56 + 8), y: top, Size(40, 56))
        #expect(sheet.cropped(to: place) == panel, "panel \(column)")
      }
      let all = browsed.samples.flatMap(\.trainIds.pixels)
      let road = LabelCounts.percent(all.count { $0 == 0 }, of: all.count)
      #expect(browsed.shares[0].hasPrefix("crops: \(road) road, "), "\(browsed.shares[0])")
      #expect(browsed.shares.dropFirst().map { $0.prefix { $0 != ":" } } == ["train", "val"])
    }

    @Test("All images at most, and each of them once")
    func count() throws {
      let browsing = try options { $0.batchSize = 1 }
      let browsed = try BrowsedSamples(dataset(browsing), browsing, count: 100)
      #expect(browsed.samples.count == 8)
      #expect(Set(browsed.samples.map(\.paths)).count == 8)
    }
  }
}
