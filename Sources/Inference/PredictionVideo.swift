import Cityscapes
import Images
import System
import Tensors

/// A video of predicted frames, encoded by ffmpeg while they are predicted. It appears under its name when it is complete.
package final class PredictionVideo: PredictionCollector, @unchecked Sendable {
  // Unchecked: only rank 0's main thread uses ffmpeg; at the end of a job that fails a cleanup handler ends it.

  /// What a frame of the video shows.
  package enum Layout: String, Sendable, CaseIterable {
    /// The image, and beside it the colors of its classes.
    case sideBySide = "side-by-side"
    /// The image and the colors of its classes, half and half.
    case overlay
  }

  /// The largest frame, which players decode everywhere.
  static let largest = Size(2160, 3840)

  private let path: String
  private let temporary: String
  private let layout: Layout
  private let framesPerSecond: Double
  private let table: LabelTable
  /// Of a frame, and of each of its panels. Frames of other sizes are scaled to fit into it, on black.
  package let size: Size
  private let panel: Size
  private var encoder: ChildProcess?
  private var frames = 0

  /// - Parameters:
  ///   - path: of the file, which ends in `.mp4`.
  ///   - first: the size of the first image, which decides about that of the video.
  package init(
    _ path: String, layout: Layout, framesPerSecond: Double, first: Size, _ table: LabelTable = .cityscapes
  ) {
    self.path = path
    self.layout = layout
    self.framesPerSecond = framesPerSecond
    self.table = table
    temporary = FileSystem.join(FileSystem.parent(of: path), ".\(FileSystem.name(of: path)).tmp")
    let panels = layout == .sideBySide ? 2 : 1
    let most = Size(Self.largest.height, Self.largest.width / panels)
    panel =
      first.width <= most.width && first.height <= most.height ? first : Resize.size(first, fitting: most)
    // Colors are stored for 2×2 pixels.
    size = Size(panel.height.roundedUp(toMultipleOf: 2), (panels * panel.width).roundedUp(toMultipleOf: 2))
  }

  /// The path of ffmpeg.
  ///
  /// - Throws: `InferenceError.noFFmpeg`.
  package static func requireEncoder() throws(InferenceError) -> String {
    guard let path = ChildProcess.find("ffmpeg") else { throw .noFFmpeg }
    return path
  }

  /// Starts ffmpeg. On rank 0.
  package func create() throws {
    let program = try Self.requireEncoder()
    do {
      try FileSystem().createDirectory(FileSystem.parent(of: path))
      try FileSystem().probeFile(path)
      try FileSystem().remove(temporary)
      encoder = try ChildProcess(program, arguments)
    } catch {
      throw InferenceError.cannotWriteVideo(path, reason: error.posixMessage)
    }
    CleanupHandlers.add { [weak self] in self?.abandon() }
  }

  private var arguments: [String] {
    [
      "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pixel_format", "rgb24",
      "-video_size", "\(size.width)x\(size.height)", "-framerate", "\(framesPerSecond)", "-i", "pipe:0",
      // The colors of high definition, in the pixel format that every player knows.
      "-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p", "-colorspace", "bt709", "-color_primaries",
      "bt709", "-color_trc", "bt709", "-crf", "18", "-q:v", "2", "-movflags", "+faststart", "-f", "mp4",
      "file:" + temporary,
    ]
  }

  /// The pixels of a frame.
  package func encode(_ prediction: [UInt8], of image: Image, index: Int) -> [UInt8] {
    let colored = Palette.colored(Image(image.size, channels: 1, pixels: prediction), by: table.palette)
    let shown = layout == .sideBySide ? [image, colored] : [Palette.blended(image, colored)]
    var canvas = Canvas(size, color: (red: 0, green: 0, blue: 0))
    let fitted = image.size == panel ? panel : Resize.size(image.size, fitting: panel)
    for (place, picture) in shown.enumerated() {
      canvas.draw(
        Resize.mean(picture, to: fitted), x: place * panel.width + (panel.width - fitted.width) / 2,
        y: (panel.height - fitted.height) / 2)
    }
    return canvas.image.pixels
  }

  package func add(_ encoded: [UInt8], index: Int) throws {
    guard let encoder else { return }
    guard encoder.write(encoded) else { throw failure(of: encoder) }
    frames += 1
  }

  package func finish() throws {
    guard let encoder else { return }
    guard frames > 0 else { return abandon() }
    let outcome = encoder.finish()
    self.encoder = nil
    // Some versions report a full disk and end with status 0.
    guard outcome.status == 0, outcome.lastLines.isEmpty else { throw failure(outcome) }
    do {
      try FileSystem().rename(temporary, to: path)
    } catch {
      try? FileSystem().remove(temporary)
      throw InferenceError.cannotWriteVideo(path, reason: error.posixMessage)
    }
  }

  /// Ends ffmpeg and removes what it has written.
  package func abandon() {
    guard let encoder else { return }
    encoder.kill()
    self.encoder = nil
    try? FileSystem().remove(temporary)
  }

  deinit { abandon() }

  private func failure(of encoder: ChildProcess) -> InferenceError {
    let outcome = encoder.finish()
    self.encoder = nil
    return failure(outcome)
  }

  private func failure(_ outcome: ChildProcess.Outcome) -> InferenceError {
    try? FileSystem().remove(temporary)
    return .cannotWriteVideo(
      path,
      reason: outcome.lastLines.isEmpty
        ? "ffmpeg ended with status \(outcome.status)" : "ffmpeg: \(outcome.lastLines)")
  }
}
