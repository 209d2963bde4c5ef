import Foundation
import Microkernels
import Tensors

/// Online hard example mining: the semantic loss counts the pixels that the network predicts worst.
///
/// In each image by itself, with p the predicted probability of a pixel's label, a pixel counts if
///
///     p < threshold,  or  p ≤ the probability of the `minimumKept`-th hardest pixel of the image
///
/// (of its easiest one, if it has fewer). Pixels as hard as that one count too: at least `minimumKept` pixels of an image
/// count, or all of them. The comparisons are made with the cross entropy, −ln p.
package struct HardExampleMining: Codable, Sendable, Equatable {
  /// Above 0, up to 1.
  package let threshold: Double
  /// Pixels of an image.
  package let minimumKept: Int

  /// By default with the values of mmsegmentation.
  package init(threshold: Double = 0.7, minimumKept: Int = 100_000) {
    self.threshold = threshold
    self.minimumKept = minimumKept
  }

  /// 1 for each pixel that counts, else 0, `N · H · W`.
  ///
  /// - Parameters:
  ///   - logits: `[N, H, W, C]`, C at least 2.
  ///   - target: labels below C, or `ignoreIndex`, `N · H · W`. Pixels without a label do not count.
  func kept(logits: Tensor, target: [UInt8], ignoreIndex: UInt8, on workers: WorkerPool) -> [UInt8] {
    let shape = logits.shape
    let entropies = CrossEntropy.entropies(logits: logits, target: target, ignoreIndex: ignoreIndex, on: workers)
    var kept = [UInt8](repeating: 0, count: shape.pixels)
    kept.withUnsafeMutableBufferPointer { kept in
      target.withUnsafeBufferPointer { target in
        workers.parallelFor(shape.images) { image, _ in
          let pixels = image * shape.pixelsPerImage..<(image + 1) * shape.pixelsPerImage
          let valid = pixels.lazy.filter { target[$0] != ignoreIndex }
          let limits = limits(of: valid.lazy.map { entropies.start[$0] })
          // A pixel whose entropy is not a number is kept, so that the loss shows it.
          for pixel in valid where !(entropies.start[pixel] <= limits.above && entropies.start[pixel] < limits.from) {
            kept[pixel] = 1
          }
        }
      }
    }
    return kept
  }

  /// Cross entropies of an image are kept above the one and from the other on.
  private func limits(of entropies: some Sequence<Float>) -> (above: Float, from: Float) {
    let above = Float(-log(threshold))
    guard minimumKept > 0 else { return (above, .infinity) }
    return (above, Self.largest(minimumKept, of: entropies))
  }

  /// The `rank`-th largest of the numbers, none of them negative, or the smallest if there are fewer: selected by the
  /// upper half of the bits, then by the lower, which order as the numbers do.
  private static func largest(_ rank: Int, of numbers: some Sequence<Float>) -> Float {
    func bits(_ number: Float) -> UInt32 { number.magnitude.bitPattern }
    /// The digit of the `rank`-th largest, and how many numbers have a larger one.
    func select(_ counts: [Int], _ rank: Int) -> (digit: Int, larger: Int) {
      var larger = 0
      for digit in counts.indices.reversed() where counts[digit] > 0 {
        if larger + counts[digit] >= rank { return (digit, larger) }
        larger += counts[digit]
      }
      return (0, larger)
    }
    var upper = [Int](repeating: 0, count: 1 << 16)
    var count = 0
    for number in numbers {
      upper[Int(bits(number) >> 16)] += 1
      count += 1
    }
    guard count > 0 else { return .infinity }
    let rank = min(rank, count)
    let (high, larger) = select(upper, rank)
    var lower = [Int](repeating: 0, count: 1 << 16)
    for number in numbers where bits(number) >> 16 == UInt32(high) { lower[Int(bits(number) & 0xFFFF)] += 1 }
    let low = select(lower, rank - larger).digit
    return Float(bitPattern: UInt32(high) << 16 | UInt32(low))
  }
}
