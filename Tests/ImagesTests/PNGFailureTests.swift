import Foundation
import ImageFixtures
import Images
import System
import Tensors
import Testing

@Suite("PNG errors")
struct PNGFailureTests {
  /// The error of reading a file: one line that begins with the path and ends with a remedy.
  private func message(_ path: String, as kind: PNG.Kind = .rgb, sourceLocation: SourceLocation = #_sourceLocation)
    -> String
  {
    let error = #expect(throws: ImageError.self, sourceLocation: sourceLocation) { try PNG.read(path, as: kind) }
    let line = error?.description ?? ""
    #expect(line.hasPrefix(path + ": ") && line.contains("; "), sourceLocation: sourceLocation)
    #expect(!line.contains("\n"), sourceLocation: sourceLocation)
    return line
  }

  @Test("A missing file, a folder, an empty file and a text file are errors that name the path")
  func notImages() throws {
    let folder = try TemporaryFolder()
    #expect(message(folder.file("missing.png")).contains("does not exist"))
    #expect(message(folder.file("missing/too.png")).contains("does not exist"))
    #expect(message(folder.path).contains("is a folder"))
    #expect(message(try folder.write([], as: "empty.png")).contains("is empty"))
    #expect(message(try folder.write(Array("P6 2 2 255".utf8), as: "text.png")).contains("is not a PNG file"))
    #expect(message(try folder.write(Array("P".utf8), as: "letter.png")).contains("is not a PNG file"))
    // Opening a pipe must not wait for a writer.
    #expect(mkfifo(folder.file("pipe.png"), 0o600) == 0)
    #expect(message(folder.file("pipe.png")).contains("is a device or pipe"))
    #expect(throws: ImageError.self) { try PNG.header(folder.file("missing.png")) }
    #expect(message(try folder.write([1], as: "x") + "/below.png").contains("cannot be opened"))
  }

  @Test(
    "A file of another kind is an error that says its kind",
    arguments: [
      (2, 16, PNG.Kind.rgb, "16-bit RGB"), (3, 8, .rgb, "8-bit with a palette"), (0, 8, .rgb, "8-bit gray"),
      (6, 8, .rgb, "8-bit RGB with transparency"), (4, 8, .rgb, "8-bit gray with transparency"),
      (3, 4, .rgb, "4-bit with a palette"), (2, 8, .gray, "8-bit RGB"), (0, 16, .gray, "16-bit gray"),
      (4, 8, .gray, "8-bit gray with transparency"),
    ])
  func otherKinds(colorType: UInt8, bitDepth: UInt8, wanted: PNG.Kind, name: String) throws {
    let folder = try TemporaryFolder()
    let file = CraftedPNG(width: 5, height: 4, bitDepth: bitDepth, colorType: colorType)
    let line = message(try folder.write(file.bytes, as: "other.png"), as: wanted)
    #expect(line.contains("is \(name), but \(wanted == .rgb ? "8-bit RGB" : "8-bit gray") is needed"))
  }

  @Test("A file cut off anywhere is reported as truncated", arguments: [1, 3])
  func truncated(channels: Int) throws {
    let folder = try TemporaryFolder()
    try PNG.write(.noise(7, 9, channels: channels, seed: 5), to: folder.file("whole.png"))
    let whole = try bytes(of: folder.file("whole.png"))
    for count in 1..<whole.count {
      let path = try folder.write(Array(whole[..<count]), as: "cut.png")
      #expect(message(path, as: channels == 3 ? .rgb : .gray).contains("is truncated"), "\(count) bytes")
    }
  }

  @Test("One changed byte is an error, except in an ancillary chunk", arguments: [0x01, 0x80, 0xff] as [UInt8])
  func changedByte(mask: UInt8) throws {
    let folder = try TemporaryFolder()
    let image = Image.noise(7, 9, channels: 3, seed: 6)
    try PNG.write(image, to: folder.file("whole.png"))
    var file = CraftedPNG.signature
    var ancillary = 0..<0
    for (name, content) in CraftedPNG.chunks(try bytes(of: folder.file("whole.png"))) {
      if name == "IDAT" {
        let chunk = CraftedPNG.chunk("tEXt", Array("Title\0street".utf8))
        ancillary = file.count..<file.count + chunk.count
        file += chunk
      }
      file += CraftedPNG.chunk(name, content)
    }
    #expect(try PNG.read(folder.write(file, as: "whole.png"), as: .rgb) == image)
    for index in file.indices {
      var changed = file
      changed[index] ^= mask
      if ancillary.contains(index), let read = try? PNG.read(folder.write(changed, as: "changed.png"), as: .rgb) {
        #expect(read == image)
        continue
      }
      let line = message(try folder.write(changed, as: "changed.png"))
      #expect(["is damaged", "is truncated", "is not a PNG"].contains { line.contains($0) }, "byte \(index): \(line)")
    }
  }

  @Test("A header with an absurd size, no pixels, or more than follow is an error")
  func absurdSizes() throws {
    let folder = try TemporaryFolder()
    var file = CraftedPNG(width: 4, height: 4, colorType: 2)
    for (width, height) in [(100_000, 100_000), (0x7fff_ffff, 0x7fff_ffff), (1 << 28, 2)] {
      (file.width, file.height) = (UInt32(width), UInt32(height))
      let path = try folder.write(file.bytes, as: "huge.png")
      #expect(message(path).contains("claims to be \(width)×\(height)"))
      #expect(throws: ImageError.self) { try PNG.header(path) }
    }
    for (width, height) in [(0, 4), (4, 0), (0xffff_ffff, 4), (5, 4), (4, 5)] {
      (file.width, file.height) = (UInt32(width), UInt32(height))
      #expect(message(try folder.write(file.bytes, as: "wrong.png")).contains("is damaged"))
    }
  }

  @Test("An unwritable target is an error that names the path")
  func unwritable() throws {
    let folder = try TemporaryFolder()
    let image = Image(Size(3, 3), channels: 1)
    for path in [folder.file("no/such/folder.png"), "/proc/self/image.png"] {
      let error = #expect(throws: ImageError.self) { try PNG.write(image, to: path) }
      #expect(error?.description.hasPrefix("\(path): cannot be written (") == true)
    }
    #expect(try folder.names.isEmpty)
  }

  @Test("If the rename fails, no temporary file is left behind")
  func targetIsAFolder() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("taken.png")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    let image = Image(Size(3, 3), channels: 1)
    let error = #expect(throws: ImageError.self) { try PNG.write(image, to: path) }
    #expect(error?.description.contains("irectory") == true)
    #expect(try folder.names == ["taken.png"])
  }

  // In their own process: limits and standard streams belong to a process.
  #if compiler(>=6.2)
    @Test("A text that claims a gigabyte takes no more memory than the file")
    func absurdText() async {
      await #expect(processExitsWith: .success) {
        let folder = try TemporaryFolder()
        let whole = CraftedPNG(width: 11, height: 9, colorType: 2).bytes
        let header = CraftedPNG.signature.count + 25
        let text = CraftedPNG.chunk("tEXt", Array("Title\0street".utf8))
        for length: UInt32 in [12, 1 << 30, 0x7fff_ffff] {
          let file = whole[..<header] + CraftedPNG.big(length) + text[4...] + whole[header...]
          let path = try folder.write(Array(file), as: "text.png")
          if length == 12 {
            #expect(try PNG.read(path, as: .rgb).size == Size(9, 11))
          } else {
            let error = #expect(throws: ImageError.self) { try PNG.read(path, as: .rgb) }
            #expect(error?.description.contains("is truncated") == true)
          }
        }
        #expect(ProcessUsage.peakMegabytes < 512)
      }
    }

    @Test(
      "On a full disk the old content stays and no temporary file is left behind", arguments: [0, 100, 70_000])
    func noRoom(limit: Int) async {
      await #expect(processExitsWith: .success) { [limit] in
        let folder = try TemporaryFolder()
        let path = folder.file("image.png")
        let old = Image(Size(3, 3), channels: 3, filledWith: 77)
        try PNG.write(old, to: path)
        signal(SIGXFSZ, SIG_IGN)
        var room = rlimit(rlim_cur: rlim_t(limit), rlim_max: rlim_t(limit))
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &room)
        do {
          try PNG.write(.noise(200, 300, channels: 3, seed: 7), to: path)
          exit(2)
        } catch {
          guard "\(error)".hasPrefix("\(path): cannot be written (File too large)") else { exit(3) }
        }
        guard try PNG.read(path, as: .rgb) == old, try folder.names == ["image.png"] else { exit(4) }
      }
    }

    @Test("libpng's warnings are not printed")
    func silence() async throws {
      let result = await #expect(
        processExitsWith: .success, observing: [\.standardErrorContent, \.standardOutputContent]
      ) {
        let folder = try TemporaryFolder()
        var file = CraftedPNG(width: 4, height: 4, colorType: 2)
        file.width = 0
        _ = try? PNG.read(folder.write(file.bytes, as: "a.png"), as: .rgb)
        file.width = 4
        file.rows += [1, 2, 3]
        _ = try? PNG.read(folder.write(file.bytes, as: "b.png"), as: .rgb)
        _ = try? PNG.read(folder.write(Array(file.bytes.dropLast(20)), as: "c.png"), as: .rgb)
        exit(0)
      }
      let printed = String(
        decoding: (result?.standardErrorContent ?? []) + (result?.standardOutputContent ?? []), as: UTF8.self)
      #expect(!printed.contains("libpng"))
    }
  #endif
}
