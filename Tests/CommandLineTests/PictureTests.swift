import Foundation
import ImageFixtures
import Images
import Jobs
import System
import Tensors
import Testing

extension CommandLine {
  @Suite("Pictures of predictions and of training samples")
  struct PictureTests {
    private static let view = ["view", "--data-path", "data", "--model-weight", Workplace.model, "--threads", "1"]
    private static let predict = ["predict", "--model-weight", Workplace.model, "--threads", "1"]
    let work: Workplace

    /// Twelve frames, numbered from 1 on, whose names are in another order by their bytes.
    init() throws {
      work = try .withModel()
      try FileManager.default.createDirectory(atPath: work.place("frames"), withIntermediateDirectories: true)
      for number in 1...12 {
        // Brighter from frame to frame.
        let image = Image(Size(30, 45), channels: 3, filledWith: UInt8(20 * number))
        try PNG.write(image, to: work.place("frames/frame_\(number).png"))
      }
    }

    private func size(_ name: String) throws -> Size { try Photograph.size(work.place(name)) }

    // MARK: - View

    @Test("view draws at any width, with overlay, errors and a legend")
    func view() throws {
      let image = ["--input-pic", "val/synthetica/synthetica_000000_000019_leftImg8bit.png"]
      func run(_ words: String...) throws -> Job {
        let job = try work.gscnn(Self.view + image + ["--output", "view.png"] + words)
        #expect(job.status == 0 && job.output == ["view.png"], "\(job.errors)")
        return job
      }
      _ = try run("--width", "120")
      #expect(try size("view.png") == Size(80, 3 * 120))
      _ = try run("--overlay", "--errors")
      #expect(try size("view.png") == Size(32, 5 * 48))
      _ = try run("--width", "300", "--legend", "--errors")
      let legend = try size("view.png")
      #expect(legend.width > 4 * 300 && legend.width < 4 * 300 + 100)
      #expect(legend.height > 200 + 60 && legend.height < 200 + 200)

      let test = ["--input-pic", "test/synthetica/synthetica_000000_000019_leftImg8bit.png"]
      try work.expectRefusal(
        Self.view + test + ["--errors"], status: 1, saying: "has no ground truth", "leave out --errors")
      try work.expectRefusal(
        Self.view + image + ["--width", "0"], status: 2, saying: "'--width <pixels>'", "from 1 to 16384")
      try PNG.write(Image(Size(20000, 2), channels: 3), to: work.place("tall.png"))
      try work.expectRefusal(
        Self.view + ["--input-pic", "tall.png", "--width", "16384"], status: 1, saying: "tall.png",
        "more than 268435456",
        "give a smaller --width")
    }

    // MARK: - Contact sheets

    @Test("A contact sheet is the same bytes on 1 and 3 ranks, and needs no other result")
    func contactSheet() throws {
      let call = Self.predict + ["frames", "--contact-sheet", "sheets/köln \n sheet.png"]
      let job = try work.gscnn(call)
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.output == ["12 images: sheets/köln ", " sheet.png"])
      #expect(!work.exists("predictions"))
      let bytes = try Data(contentsOf: URL(fileURLWithPath: work.place("sheets/köln \n sheet.png")))
      #expect(try size("sheets/köln \n sheet.png").width == 3 * 482 + 2 * 10 + 2 * 15)
      #expect(try work.gscnn(call, ranks: 3).status == 0)
      #expect(try Data(contentsOf: URL(fileURLWithPath: work.place("sheets/köln \n sheet.png"))) == bytes)

      try work.expectRefusal(
        Self.predict + ["frames", "--contact-sheet", "frames/frame_3.png"], status: 2,
        saying: "--contact-sheet frames/frame_3.png: ", "reads that file")
      try FileManager.default.createDirectory(atPath: work.place("folder.png"), withIntermediateDirectories: false)
      try work.expectRefusal(
        Self.predict + ["frames", "--contact-sheet", "folder.png"], status: 1,
        saying: "folder.png: the picture cannot be written (Is a directory)", "--contact-sheet")
      try work.expectRefusal(
        Self.predict + ["frames", "--contact-sheet", "sheet.jpg"], status: 2, saying: "--contact-sheet sheet.jpg",
        "ends in .png")
      try work.expectRefusal(
        Self.predict + ["frames", "--color", "--output", "out", "--contact-sheet", "out/frame_3_color.png"], status: 2,
        saying: "--contact-sheet out/frame_3_color.png: this command writes another result there")
      // An image that cannot be read is named, and the sheet has a place for it.
      try work.truncate("frames/frame_5.png")
      let damaged = try work.gscnn(Self.predict + ["frames", "--contact-sheet", "damaged.png"])
      #expect(damaged.status == 1 && damaged.errors.last?.contains("1 of 12 images could not be read") == true)
      #expect(try size("damaged.png").width == 3 * 482 + 2 * 10 + 2 * 15)
    }

    // MARK: - Videos

    private static let ffmpeg = ChildProcess.find("ffmpeg")
    private static let ffprobe = ChildProcess.find("ffprobe")

    /// A folder for PATH with an ffmpeg of lines of shell.
    private func standIn(_ lines: String...) throws -> (standIns: StandIns, environment: [String: String]) {
      let standIns = try StandIns()
      try standIns.command("ffmpeg", lines.joined(separator: "\n"))
      return (
        standIns, ["PATH": standIns.folder + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")]
      )
    }

    @Test("ffmpeg receives the frames in the order of their numbers, on any number of ranks", arguments: [nil, 3])
    func frames(ranks: Int?) throws {
      // It writes what it reads to its last argument, and its arguments beside it.
      let (standIns, environment) = try standIn(
        #"printf '%s\n' "$@" >"$(dirname "$0")/words""#, #"out=${@: -1}; cat >"${out#file:}""#)
      let path = "videos/a b ü.mp4"
      let job = try work.gscnn(
        Self.predict + ["frames", "--video", path, "--fps", "12.5"], ranks: ranks, environment: environment)
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.output == ["12 images: \(path)"])
      let words = standIns.lines("words")
      func value(_ option: String) -> String? { words.firstIndex(of: option).map { words[$0 + 1] } }
      // Two panels of 45×30 pixels.
      #expect(value("-video_size") == "90x30" && value("-framerate") == "12.5" && value("-pixel_format") == "rgb24")
      let video = [UInt8](try Data(contentsOf: URL(fileURLWithPath: work.place(path))))
      try #require(video.count == 12 * 90 * 30 * 3)
      for frame in 0..<12 { #expect(video[frame * 90 * 30 * 3] == UInt8(20 * (frame + 1))) }
      #expect(try work.names(in: "videos") == ["a b ü.mp4"])
    }

    @Test("Frames of other sizes are scaled into the first one's, on black; odd sides get a row or column")
    func sizes() throws {
      let (standIns, environment) = try standIn(#"out=${@: -1}; cat >"${out#file:}""#)
      defer { withExtendedLifetime(standIns) {} }
      try PNG.write(Image(Size(31, 45), channels: 3, filledWith: 9), to: work.place("frames/frame_0.png"))
      try PNG.write(Image(Size(62, 30), channels: 3, filledWith: 99), to: work.place("frames/frame_13.png"))
      let job = try work.gscnn(
        Self.predict + ["frames", "--video", "x.mp4", "--video-layout", "overlay"], environment: environment)
      #expect(job.status == 0, "\(job.errors)")
      let video = [UInt8](try Data(contentsOf: URL(fileURLWithPath: work.place("x.mp4"))))
      let frame = 46 * 32 * 3
      try #require(video.count == 14 * frame)
      func pixel(_ number: Int, _ y: Int, _ x: Int) -> [UInt8] {
        let at = number * frame + (y * 46 + x) * 3
        return Array(video[at..<at + 3])
      }
      #expect(pixel(0, 31, 3) == [0, 0, 0] && pixel(0, 3, 45) == [0, 0, 0] && pixel(0, 30, 44) != [0, 0, 0])
      // 30×62 becomes 15×31, in the middle of 45.
      #expect(pixel(13, 15, 14) == [0, 0, 0] && pixel(13, 15, 15) != [0, 0, 0] && pixel(13, 15, 29) != [0, 0, 0])
      #expect(pixel(13, 15, 30) == [0, 0, 0])
    }

    @Test("Without ffmpeg nothing is predicted; when it fails its last lines are told and no video is left")
    func failures() throws {
      let call = Self.predict + ["frames", "--color", "--contact-sheet", "sheet.png", "--video", "x.mp4"]
      let bare = try StandIns()
      // Which starts the program, and is the only command there.
      try FileManager.default.createSymbolicLink(atPath: bare.folder + "/env", withDestinationPath: "/usr/bin/env")
      let without = try work.gscnn(call, environment: ["PATH": bare.folder])
      #expect(without.status == 1)
      #expect(
        without.errors == [
          "gscnn: ffmpeg, which encodes videos, is in no folder of PATH; install it (apt-get install ffmpeg), or leave out "
            + "--video"
        ])
      #expect(try !work.exists("predictions") || work.names(in: "predictions") == [])
      try work.write(Data("earlier".utf8), to: "x.mp4")
      for (lines, told) in [
        ("cat >/dev/null; echo no codec >&2; exit 3", "(ffmpeg: no codec)"), ("exit 4", "(ffmpeg ended with status 4)"),
        ("cat >/dev/null; echo No space left on device >&2", "(ffmpeg: No space left on device)"),
        ("kill -9 $$", "(ffmpeg ended with status 137)"),
      ] {
        let (standIns, environment) = try standIn(lines)
        let job = try work.gscnn(call, environment: environment)
        withExtendedLifetime(standIns) {}
        #expect(job.status == 1)
        #expect(
          job.errors.last
            == "gscnn: x.mp4: the video cannot be written \(told); give another path for --video, or leave it out")
        #expect(try work.text("x.mp4") == "earlier")
        #expect(try work.names(in: ".").filter { $0.hasSuffix(".tmp") } == [])
        // All other results are there.
        #expect(try work.names(in: "predictions").count == 12 && work.exists("sheet.png"))
        try work.remove("predictions")
        try work.remove("sheet.png")
      }
      try work.expectRefusal(
        Self.predict + ["frames", "--video", "x.avi"], status: 2, saying: "--video x.avi", "ends in .mp4")
      try work.expectRefusal(
        Self.predict + ["frames", "--fps", "5"], status: 2, saying: "--fps is about the video; give --video too")
    }

    @Test(
      "A real ffmpeg encodes every frame in order, and a full disk leaves nothing",
      .enabled(if: ffmpeg != nil && ffprobe != nil, "needs ffmpeg"))
    func realVideo() throws {
      let job = try work.gscnn(Self.predict + ["frames", "--video", "x.mp4", "--fps", "5"], ranks: 2)
      #expect(job.status == 0, "\(job.errors)")
      let probe = try Job.run(command: [
        Self.ffprobe ?? "", "-v", "error", "-count_frames", "-show_entries",
        "stream=width,height,nb_read_frames,r_frame_rate,pix_fmt", "-of", "default=nw=1", work.place("x.mp4"),
      ])
      #expect(
        Set(probe.output) == ["width=90", "height=30", "pix_fmt=yuv420p", "r_frame_rate=5/1", "nb_read_frames=12"])
      // Decoded again, each frame's image is as bright as it was.
      let decoded = try Job.run(command: [
        Self.ffmpeg ?? "", "-v", "error", "-i", work.place("x.mp4"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-y",
        work.place("frames.rgb"),
      ])
      #expect(decoded.status == 0, "\(decoded.errors)")
      let pixels = [UInt8](try Data(contentsOf: URL(fileURLWithPath: work.place("frames.rgb"))))
      try #require(pixels.count == 12 * 90 * 30 * 3)
      for frame in 0..<12 {
        let brightness = Int(pixels[(frame * 30 + 10) * 90 * 3 + 30])
        #expect(abs(brightness - 20 * (frame + 1)) <= 4, "frame \(frame): \(brightness)")
      }
      let full = try work.gscnn(Self.predict + ["frames", "--video", "full.mp4"], fileLimit: 1)
      #expect(full.status == 1)
      #expect(full.errors.last?.contains("full.mp4: the video cannot be written (ffmpeg: ") == true, "\(full.errors)")
      #expect(!work.exists("full.mp4"))
    }

    // MARK: - Samples of a training

    @Test("browse draws the crops of a training, prepares maps, prints shares and warns of absent classes")
    func browse() throws {
      try work.makeStreets("fresh", train: 3, val: 1, test: 0)
      let call = ["browse", "fresh", "--crop-h", "32", "--crop-w", "40", "--threads", "1"]
      let job = try work.gscnn(call + ["--images", "2", "--width", "40", "--output", "a b.png"])
      #expect(job.status == 0, "\(job.errors)")
      #expect(job.output.map { $0.prefix { $0 != ":" } } == ["a b.png", "crops", "train", "val"])
      #expect(work.exists("fresh/prepared/train"))
      #expect(try size("a b.png").width == 24 * 8 + 2 * 12)
      // The same options give the same picture; another seed another one.
      func picture(_ words: String...) throws -> Data {
        let job = try work.gscnn(call + words)
        #expect(job.status == 0, "\(job.errors)")
        return try Data(contentsOf: URL(fileURLWithPath: work.place("browse.png")))
      }
      let first = try picture()
      #expect(try picture() == first)
      #expect(try picture("--seed", "2") != first)
      #expect(try picture("--distort", "brightness=0.5,probability=1") != first)

      // A data set in which nothing but road is left.
      for index in 0..<3 {
        let path = work.place(Workplace.labelIds("train", index, in: "fresh"))
        try PNG.write(Image(Size(32, 48), channels: 1, filledWith: index == 0 ? 7 : 0), to: path)
      }
      let bare = try work.gscnn(call)
      #expect(bare.status == 0)
      #expect(bare.errors.contains { $0.contains("warning: the training split has no pixel of sidewalk, building, ") })
      #expect(bare.errors.contains { $0.contains("warning: 2 of 3 crops have no pixel of a class") }, "\(bare.errors)")
    }

    @Test("browse refuses what training refuses, and outputs that would replace data")
    func refusals() throws {
      let call = ["browse", "--data-path", "data", "--threads", "1"]
      try work.expectRefusal(["browse", "nowhere"], status: 1, saying: "nowhere: holds no images", "--data-path")
      try work.expectRefusal(
        ["browse", "data", "--data-path", "other"], status: 2, saying: "the data set is given twice")
      try work.expectRefusal(
        call + ["--augment", "none", "--scale", "1"], status: 2, saying: "--scale 1: nothing is random")
      try work.expectRefusal(
        call + ["--output", Workplace.image()], status: 2, saying: "--output ", "among the images and labels")
      try work.expectRefusal(
        call + ["--output", "none/x.png"], status: 1, saying: "none/x.png: cannot be written", "its folder exists")
      try work.expectRefusal(
        call + ["--images", "256", "--width", "16384"], status: 2, saying: "--width 16384: a picture of 256 crops",
        "fewer --images")
      try PNG.write(Image(Size(32, 48), channels: 1, filledWith: 77), to: work.place(Workplace.labelIds()))
      try work.expectRefusal(call, status: 1, saying: Workplace.labelIds(), "holds 77, but label ids end at 33")
      try PNG.write(Image(Size(16, 48), channels: 1), to: work.place(Workplace.labelIds()))
      try work.expectRefusal(call, status: 1, saying: Workplace.labelIds(), "48×16, but its image is 48×32")
    }
  }
}
