import ArgumentParser
import Cityscapes
import Distributed
import Images
import Inference
import Tensors

/// One file of all predicted images.
struct PictureOptions: ParsableArguments {
  @Option(
    help: .value(
      "file.png", "Write one picture with thumbnails of image and prediction, of up to \(ContactSheet.limit) images."))
  var contactSheet: String?

  @Option(
    help: .value("file.mp4", "Write a video of all images, numbers in their names counted by value; needs ffmpeg."))
  var video: String?

  @Option(
    help: .value("name", "What the video shows: the prediction beside the image (the default), or over it."))
  var videoLayout: PredictionVideo.Layout?

  @Option(in: 0.1...240, help: .value("number", "Images per second of the video (default: 17)."))
  var fps: Double?

  func validate() throws {
    try OutputPath.require("--contact-sheet", contactSheet, endsIn: ".png")
    try OutputPath.require("--video", video, endsIn: ".mp4")
    guard video != nil || videoLayout == nil && fps == nil else {
      throw ValidationError("\(fps == nil ? "--video-layout" : "--fps") is about the video; give --video too")
    }
  }

  /// The files that are asked for.
  var paths: [String] { [contactSheet, video].compactMap(\.self) }

  /// Begins these files. Collective.
  ///
  /// - Parameters:
  ///   - images: in the order in which they are predicted.
  ///   - table: of their classes.
  ///   - inputs: files that the command reads besides.
  ///   - results: other files that it writes.
  ///   - communicator: of the ranks that predict.
  /// - Throws: on rank 0, if a file cannot be written, or ffmpeg is missing.
  func collectors(
    of images: [InputImage], _ table: LabelTable, otherThan inputs: [String], and results: [String],
    _ communicator: Communicator
  ) throws -> PredictionCollectors {
    if communicator.rank == 0 {
      for (option, path) in [("--contact-sheet", contactSheet), ("--video", video)] {
        try OutputPath.require(option, path, otherThan: inputs + images.map(\.path))
        try OutputPath.require(option, path, otherThan: results, because: OutputPath.isWritten)
      }
    }
    var collectors: [any PredictionCollector] = []
    if let contactSheet { collectors.append(ContactSheet(contactSheet, names: images.map(\.name), table)) }
    if let video, let size = Self.firstSize(images, communicator) {
      collectors.append(
        PredictionVideo(video, layout: videoLayout ?? .sideBySide, framesPerSecond: fps ?? 17, first: size, table))
    }
    if communicator.rank == 0 { for collector in collectors { try collector.create() } }
    return PredictionCollectors(collectors)
  }

  /// The size of the first image that has one; nil if none can be read. Collective.
  private static func firstSize(_ images: [InputImage], _ communicator: Communicator) -> Size? {
    // Rank 0 reads it, as it has found the images: disks may differ.
    let size = communicator.rank == 0 ? images.lazy.compactMap { try? Photograph.size($0.path) }.first : nil
    let sides = communicator.allGather(size.map { [$0.height, $0.width] } ?? [])[0]
    return sides.count == 2 ? Size(sides[0], sides[1]) : nil
  }
}

extension PredictionVideo.Layout: ExpressibleByArgument {}
