import Foundation
import Images

/// The reference images in `Fixtures/`.
enum Fixtures {
  static func path(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name).png").path
  }

  static func rgb(_ name: String) throws -> Image { try PNG.read(path(name), as: .rgb) }
  static func gray(_ name: String) throws -> Image { try PNG.read(path(name), as: .gray) }
}

extension Image {
  /// An image of noise with values from 0 to `most`, the same for the same arguments.
  static func noise(_ width: Int, _ height: Int, channels: Int, most: UInt8 = 255, seed: UInt64) -> Image {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1
    let pixels = (0..<width * height * channels).map { _ -> UInt8 in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: (state >> 32) % (UInt64(most) + 1))
    }
    return Image(width: width, height: height, channels: channels, pixels: pixels)
  }

  subscript(x: Int, y: Int, channel: Int) -> UInt8 { pixels[(y * width + x) * channels + channel] }
}

/// An empty folder that is gone after the test.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("images-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func write(_ bytes: [UInt8], as name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

func bytes(of path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }
