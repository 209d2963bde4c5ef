import Foundation
import Kernels
import Tensors

/// Losses that PyTorch computed in double precision; written by `Tests/Peer/losses.py`.
struct LossFixture: Decodable {
  /// Two images and their labels.
  protocol Images {
    var name: String { get }
    var height: Int { get }
    var width: Int { get }
    var classes: Int { get }
    var slope: Double? { get }
    var labels: Data { get }
  }

  struct DualTask: Decodable, Images {
    struct Result: Decodable {
      let sums: [Double]
      let terms: Int
      let gradient: Data
    }
    let name: String
    let height, width, classes: Int
    let slope: Double?
    let labels: Data
    /// By variant.
    let results: [String: Result]
  }

  struct Weighted: Decodable, Images {
    struct Result: Decodable {
      let weighted: Bool
      let threshold: Double?
      let minimumKept: Int?
      let kept: Int
      let semantic, task: Double
      let gradient: Data
    }
    let name: String
    let height, width, classes: Int
    var slope: Double? { nil }
    let labels: Data
    let weights: [Double]
    let results: [Result]
  }

  let seed: UInt64
  let step: Int
  let samples: [Int]
  /// Noise of sample 5, two classes, 3×4 pixels.
  let gumbel: [Double]
  let dualTask: [DualTask]
  let weighted: Weighted

  static func read() throws -> LossFixture {
    let path = (#filePath as NSString).deletingLastPathComponent + "/Fixtures/losses.json"
    return try JSONDecoder().decode(LossFixture.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  var noise: [RandomNumbers] { samples.map { DualTaskLoss.noise(seed: seed, step: step, sample: $0) } }
}

extension LossFixture.Images {
  var shape: Shape { Shape(2, height, width, classes) }
  var target: [UInt8] { [UInt8](labels) }

  var logits: Tensor {
    if let slope {
      let ramp = (0..<width).map { Float(slope * (Double($0) - Double(width - 1) / 2)) }
      return Tensor(shape, dense: (0..<2 * height).flatMap { _ in ramp.flatMap { [-$0, $0] } })
    }
    var random = RandomNumbers(named: name)
    return Tensor(shape, dense: (0..<shape.pixels * classes).map { _ in 8 * random.uniform() - 4 })
  }
}

extension Data {
  /// Single-precision numbers, little-endian.
  var floats: [Double] {
    stride(from: 0, to: count - count % 4, by: 4).map { offset in
      Double(Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(self[startIndex + offset + $1]) << (8 * UInt32($1)) }))
    }
  }
}
