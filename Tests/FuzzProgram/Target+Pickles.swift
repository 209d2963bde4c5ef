import Foundation
import ImageFixtures
import Layers
import Training
import Weights

extension Target {
  /// A file of those that PyTorch and Paddle wrote for the tests.
  private static func fixture(_ name: String) throws -> [UInt8] {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try bytes(of: tests.appending(path: "WeightsTests/Fixtures/formats/" + name).path)
  }

  private static let words = [
    "torch._utils", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "torch", "FloatStorage",
    "HalfStorage", "UntypedStorage", "float32", "storage", "collections", "OrderedDict", "numpy.core.multiarray",
    "_reconstruct", "numpy", "ndarray", "dtype", "f4", "u2", "_codecs", "encode", "latin1", "builtins", "eval", "tuple",
    "data", "state_dict", "model", "seg.bias", "conv1.weight", "layer1.0.conv1.weight", "os", "system", "(", ")", "}",
    "]", "t", "R", "b", "s", "u", "a", "e", "h\u{0}", "q\u{0}", "N", "K\u{1}", "2", "0", ".",
  ]

  /// What the commands do with a file of weights: list its tensors, look for infinities, load and convert it.
  private static func read(_ folder: Folder) -> ([UInt8]) throws -> Void {
    let output = folder.place("converted.safetensors")
    return { input in
      let path = try folder.write(input, as: "input.pth")
      let file = try StateDict(contentsOf: path)
      _ = try CheckpointInspector.text(of: path, listing: true)
      _ = try? ModelFile.load(file, into: network(), strict: false)
      try ModelFile.convert(file, to: output, normalization: nil)
      _ = try Safetensors(contentsOf: output)
    }
  }

  /// Files of PyTorch before 1.6: pickles, then storages.
  static func pth(_ folder: Folder) throws -> Target {
    Target(
      name: "pth", share: 10, seeds: try ["legacy.pth", "legacy-views.pth"].map(fixture), words: words,
      feed: read(folder))
  }

  /// Pickles of Paddle in each of its protocols and layouts.
  static func pdparams(_ folder: Folder) throws -> Target {
    let names = ["2", "3", "4", "2.0", "nested", "pairs"]
    return Target(
      name: "pdparams", share: 10, seeds: try names.map { try fixture("paddle-\($0).pdparams") }, words: words,
      feed: read(folder))
  }

  /// Archives of PyTorch, with the checksums made right.
  static func zip(_ folder: Folder) throws -> Target {
    let names = ["zip", "deflated", "views", "mmengine-layout", "parameters", "gscnn-layout"]
    return Target(
      name: "zip", share: 15, seeds: try names.map { try fixture($0 + ".pth") },
      words: words + ["PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "PK\u{6}\u{6}", "data.pkl", "byteorder", "big"],
      repair: repairedZip, feed: read(folder))
  }

  /// Writes the checksum of the data of each stored entry into the directory.
  private static func repairedZip(_ input: [UInt8]) -> [UInt8] {
    var bytes = input
    func number(_ position: Int, _ count: Int) -> Int {
      guard position >= 0, position <= bytes.count - count else { return 0 }
      return (0..<count).reduce(0) { $0 | Int(bytes[position + $1]) << (8 * $1) }
    }
    var place = 0
    while place + 46 <= bytes.count {
      guard number(place, 4) == 0x0201_4B50 else {
        place += 1
        continue
      }
      let (local, count) = (number(place + 42, 4), number(place + 24, 4))
      let start = local + 30 + number(local + 26, 2) + number(local + 28, 2)
      if number(place + 10, 2) == 0, start <= bytes.count, count <= bytes.count - start {
        let crc = crc32(bytes[start..<start + count])
        for byte in 0..<4 { bytes[place + 16 + byte] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(byte))) }
      }
      place += 46
    }
    return bytes
  }
}
