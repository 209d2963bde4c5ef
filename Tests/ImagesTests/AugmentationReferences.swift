import Foundation
import Images
import System

/// What OpenCV, Pillow and SciPy make of the reference images (`make_augmentations.py`).
struct AugmentationReferences: Decodable {
  struct Resized: Decodable {
    let factor: Double
    let height: Int
    let width: Int
    let linear: String
    let nearest: String
  }

  struct Colors: Decodable {
    let kind: String
    let amount: Double
    /// XXH64 of the changed reference image.
    let image: String
    /// XXH64 of the changed image of all colors.
    let every: String
  }

  struct Chain: Decodable {
    struct Step: Decodable {
      let kind: String
      let amount: Double
    }
    let steps: [Step]
    let image: String
  }

  struct Blur: Decodable {
    let sigma: Double
    let pixels: Data
  }

  let resized: [Resized]
  let colors: [Colors]
  let chain: Chain
  let blurs: [Blur]

  static let shared = Result {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "Fixtures/augmentations.json")
    return try JSON.decode(AugmentationReferences.self, from: Data(contentsOf: file))
  }
}

extension Image {
  /// As `xxhash` writes it.
  var digest: String { pixels.withUnsafeBytes(XXH64.hash).zeroPadded(to: 16, radix: 16) }
}
