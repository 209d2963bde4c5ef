import Cityscapes
import Foundation
import Images
import Jobs
import Testing
import Training

extension Trainings {
  @Suite("Augmentation options of a run")
  struct AugmentationTests {
    private static let options = [
      "--scale", "0.6..1.8", "--distort", "brightness=0.4,contrast=0.4,saturation=0.4,hue=18", "--blur", "0.15..1.3",
      "--class-uniform", "0.95", "--batch-size", "8", "--validate-every", "2", "--keep", "1",
    ]

    @Test(
      "With scale range, distortion, blur and class-uniform sampling the bytes are the same on 1, 2 and 4 ranks, and resumed"
    )
    func sameBytes() throws {
      let data = try RunFolder.streets(train: 21, val: 1, test: 1)
      let file = "\(data)/prepared/train_class_centroids.json"
      let runs = try ["one", "two", "four"].map { try TrainingRun("augmented-\($0)", on: data) }
      defer {
        for run in runs { run.remove() }
        try? FileManager.default.removeItem(atPath: data)
      }
      let one = try runs[0].train(Self.options)
      #expect(one.status == 0, "\(one.errors)")
      #expect(one.errors.contains("gscnn: class centroids of 21 images: \(file)"))
      #expect(one.errors.contains { $0.hasPrefix("class-uniform: 1 of 21 images an epoch for each of ") })
      #expect(runs[0].losses.count == 4, "two steps an epoch")
      let centroids = try Data(contentsOf: URL(fileURLWithPath: file))

      // Two ranks make a damaged file again; with a cache.
      try (centroids.prefix(200) + Data("x".utf8) + centroids.dropFirst(201)).write(to: URL(fileURLWithPath: file))
      let two = try runs[1].train(ranks: 2, Self.options + ["--cache-gb", "0.1"])
      #expect(two.status == 0, "\(two.errors)")
      #expect(two.errors.count { $0 == "gscnn: class centroids of 21 images: \(file)" } == 1)
      #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == centroids)
      try runs[1].expectSame(as: runs[0])

      // Four ranks cannot keep the file and say so; one rank goes on in the middle of the first epoch, another of the second.
      try FileManager.default.removeItem(atPath: file)
      try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
      let stopped = try runs[2].train(
        ranks: 4, Self.options + ["--prepared", "\(data)/prepared", "--stop-after", "1"])
      #expect(stopped.status == 0, "\(stopped.errors)")
      let warning = try #require(stopped.errors.first { $0.contains("warning") })
      #expect(warning.hasPrefix("gscnn: warning: \(file): cannot be written ("))
      #expect(warning.hasSuffix("give a folder that can be written as --prepared"))
      try FileManager.default.removeItem(atPath: file)
      for (ranks, steps) in [(1, "2"), (2, "1")] {
        let rest = try runs[2].train(ranks: ranks, Self.options + ["--resume", "auto", "--stop-after", steps])
        #expect(rest.status == 0, "\(rest.errors)")
      }
      try runs[2].expectSame(as: runs[0])

      // Other labels have other centroids.
      let samples = try CityscapesDirectory(root: data).samples(of: .train)
      let map = try PNG.read(samples[0].labelIds, as: .gray)
      try PNG.write(Image(map.size, channels: 1, filledWith: 7), to: samples[0].labelIds)
      let other = try runs[2].train(Self.options + ["--resume", "auto"])
      #expect(other.status == 2)
      #expect(
        other.errors.last?.contains(
          "the training images or their labels are not those that the checkpoint was made with")
          == true, "\(other.errors)")
    }

    @Test(
      "Values that cannot be used are refused in one line with a remedy",
      arguments: [
        (
          ["--scale", "2..0.5"],
          "give factors from 0.1 to 8: a list 0.5,1,2, a range 0.5..2, or with a step 0.5..2:0.25"
        ),
        (["--scale", "0.5..2:0.4"], "such as 0.375"), (["--distort", "contrast=2"], "contrast is from 0 to 1"),
        (["--blur", "1"], "such as 0.15..1.3"), (["--class-uniform", "1.5"], "give a number from 0 to 1"),
        (["--class-uniform", "0.9"], "would get less than one; give 0.9048 or more"),
        (["--augment", "none", "--blur", "0..1"], "--blur 0..1: nothing is random with --augment none"),
        (["--augment", "none", "--class-uniform", "0.95"], "leave out one of the two"),
      ])
    func refused(options: [String], remedy: String) throws {
      let run = try TrainingRun("refused-augmentation")
      defer { run.remove() }
      let job = try run.train(options)
      #expect(job.status == 2)
      #expect(job.errors.count == 1 && job.errors[0].contains(remedy), "\(job.errors)")
    }

    @Test("A resumed run must keep each of the options, also those that are off, and the refusal says how")
    func fixedOptions() throws {
      func refusal(
        _ old: (inout TrainingOptions) -> Void = { _ in }, _ new: (inout TrainingOptions) -> Void = { _ in }
      ) throws -> String? {
        var (before, after) = (TrainingOptions(), TrainingOptions())
        old(&before)
        new(&after)
        do {
          try TrainingState(options: before).requireSameTraining(as: after)
          return nil
        } catch let error as OptionError {
          return error.description
        }
      }
      let again = ", or start again in another --save-path"
      #expect(
        try refusal({ _ in }, { $0.augmentationOptions.scale = .range(low: 0.5, high: 2) })
          == "--scale 0.5..2: the checkpoint was made with 0.5,1,2; give --scale 0.5,1,2" + again)
      #expect(
        try refusal({ _ in }, { $0.augmentationOptions.blur = BlurRange(0.5, 1) })
          == "--blur 0.5..1: the checkpoint was made without it; leave it out" + again)
      #expect(
        try refusal({ $0.augmentationOptions.distortion = ColorDistortion(hue: 18) })
          == "--distort left out: the checkpoint was made with hue=18; give --distort hue=18" + again)
      #expect(
        try refusal({ $0.augmentationOptions.classUniform = 0.5 }, { $0.augmentationOptions.classUniform = 0.6 })
          == "--class-uniform 0.6: the checkpoint was made with 0.5; give --class-uniform 0.5" + again)
      #expect(try refusal() == nil)
    }

    @Test("Fewer images than classes cannot be drawn class by class, said once by all ranks")
    func fewImages() throws {
      let run = try TrainingRun("few-images", on: Trainings.fewStreets.get())
      defer { run.remove() }
      let job = try run.train(ranks: 2, ["--class-uniform", "1"])
      #expect(job.status == 2)
      #expect(
        job.errors == ["gscnn: --class-uniform 1.0: 8 training images are fewer than the 19 classes; leave it out"])
    }
  }
}
