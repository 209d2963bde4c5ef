import Foundation
import Images
import Tensors

/// The reference images in `Fixtures/`.
package enum ImageFixtures {
  package static func path(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name).png").path
  }

  /// Without a file of the same name in PNG: `jpeg_wide` (37×23), `jpeg_tall` (21×37), `jpeg_small` (15×17).
  package static func jpeg(_ name: String) -> String { String(path(name).dropLast(4)) + ".jpg" }

  package static func rgb(_ name: String) throws -> Image { try PNG.read(path(name), as: .rgb) }
  package static func gray(_ name: String) throws -> Image { try PNG.read(path(name), as: .gray) }
}

extension Image {
  /// Noise with values from 0 to `maximum`, a function of the arguments.
  package static func noise(
    _ height: Int, _ width: Int, channels: Int, maximum: UInt8 = 255, seed: UInt64
  ) -> Image {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 1
    let pixels = (0..<width * height * channels).map { _ -> UInt8 in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: (state >> 32) % (UInt64(maximum) + 1))
    }
    return Image(Size(height, width), channels: channels, pixels: pixels)
  }

  package subscript(y: Int, x: Int, channel: Int) -> UInt8 { pixels[(y * size.width + x) * channels + channel] }
}

/// An empty folder that is removed after the test.
package final class TemporaryFolder {
  package let path: String

  package init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("gscnn-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  package func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file and returns its path.
  package func write(_ bytes: [UInt8], as name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  package var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

package func bytes(of path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }
