import Microkernels
import Tensors

/// The dual-task loss (§3.2, the first term of the regularizer): how far the boundaries of the predicted classes are from
/// those of the labels.
///
/// Of each image, with g the Gumbel-softmax of the logits and h the one-hot labels, planes of each class:
///
///     ζ(p) = m(p) / M(p),  m(p) = √(κ · ‖∇(K ∗ p)‖² + ε)
///     L = Σ |ζ(g) − ζ(h)|  over the valid pixels and all classes, divided by their number in the global batch
///
/// | variant    | K                              | ∇                   | κ, ε    | M | terms of the sum |
/// | `released` | none                           | none: ∂x = ∂y = p   | 1, 10⁻⁶ | maximum of m | all |
/// | `paddle`   | triangle of 9 pixels           | central differences | 1, 10⁻⁶ | maximum of m | all |
/// | `paper`    | Gaussian, σ 2, of 13 pixels    | Sobel               | ½, 0    | 1 | where ζ(g) or ζ(h) is above 10⁻³ |
///
/// Sobel's filter has the weights (1 2 1) ⊗ (−1 0 1) / 4, so that ζ is at most 1 and the factor ½ is that of the paper's
/// 1/√2. Differences at the frame are one-sided.
///
/// A pixel without a label is of no class: there g and h are 0 for each class, whatever the logits, so that its border is
/// a boundary of both. It is left out of the sum and of the maximum.
///
/// M of an image whose labels are all of one class would be that of no boundary, √ε. Instead it is that of a straight
/// boundary: pixels away from boundaries then count as in other images.
///
/// Backward, with n = m / M, u = sign(n(g) − n(h)) on the terms of the sum, and j the first pixel, in the order of classes,
/// rows and columns, where m(g) is M(g):
///
///     dL/dm_i = u_i / M − [i = j] · Σ u_k m_k / M²
///
/// `GradientMagnitude`, `SeparableFilter` and `GumbelSoftmax` have the rest of the way to the logits. h is constant.
package enum DualTaskLoss {
  package enum Variant: String, Codable, Sendable, CaseIterable {
    /// What the authors' released code computes, without filter and derivative.
    case released
    /// PaddleSeg's.
    case paddle
    /// As in the paper.
    case paper
  }

  package struct Options: Sendable {
    package let variant: Variant
    /// τ of the Gumbel-softmax.
    package let temperature: Float
    /// The label of pixels that do not count.
    package let ignoreIndex: UInt8

    package init(_ variant: Variant, temperature: Float, ignoreIndex: UInt8) {
      self.variant = variant
      self.temperature = temperature
      self.ignoreIndex = ignoreIndex
    }
  }

  /// The sums of a rank's images, not divided yet.
  package struct Sums {
    /// Σ |ζ(g) − ζ(h)| of each image.
    package internal(set) var sums: [Double] = []
    /// The number of terms in all of them, to be summed over the ranks.
    package internal(set) var terms = 0
    /// Of the sum of all, with respect to the logits, `[N, H, W, C]`; nil if not wanted.
    package internal(set) var gradient: Tensor?
  }

  /// The noise of an image in a step, independent of its place in the batch.
  ///
  /// - Parameter sample: index of the image in its split.
  package static func noise(seed: UInt64, step: Int, sample: Int) -> RandomNumbers {
    RandomNumbers(
      seed, RandomNumbers.hash("dual task"), UInt64(truncatingIfNeeded: step), UInt64(truncatingIfNeeded: sample))
  }

  /// - Parameters:
  ///   - logits: `[N, H, W, C]`, C at least 2.
  ///   - target: labels below C, or `ignoreIndex`, `N · H · W`.
  ///   - noise: of each image.
  package static func sums(
    logits: Tensor, target: [UInt8], noise: [RandomNumbers], _ options: Options, withGradient: Bool = true,
    on workers: WorkerPool
  ) -> Sums {
    let shape = logits.shape
    precondition(shape.channels > 1 && shape.channels <= Int(options.ignoreIndex))
    precondition(target.count == shape.pixels && noise.count == shape.images)
    var result = Sums()
    result.gradient = withGradient ? Tensor(shape) : nil
    target.withUnsafeBufferPointer { target in
      guard let target = target.baseAddress else { return }
      for index in 0..<shape.images {
        var image = DualTaskImage(
          shape, target: target + index * shape.pixelsPerImage, options, withGradient: withGradient, on: workers)
        image.evaluate(logits.image(index), noise: noise[index])
        if let gradient = result.gradient { image.writeGradient(to: gradient.image(index)) }
        result.sums.append(image.sum)
        result.terms += image.terms
      }
    }
    return result
  }
}

extension DualTaskLoss.Variant {
  /// K
  var filter: SeparableFilter? {
    switch self {
    case .released: nil
    case .paddle: .triangle
    case .paper: .gaussian
    }
  }

  /// m: the derivative of Sobel here is half of that in the table.
  var magnitude: GradientMagnitude {
    switch self {
    case .released: GradientMagnitude(derivative: .identity, factor: 1, offset: 1e-6)
    case .paddle: GradientMagnitude(derivative: .central, factor: 1, offset: 1e-6)
    case .paper: GradientMagnitude(derivative: .sobel, factor: 2, offset: 0)
    }
  }

  /// Whether m is divided by its maximum.
  var isNormalized: Bool { self != .paper }

  /// Where both ζ are at most this, the term does not count; nil if all terms do.
  var tolerance: Float? { self == .paper ? 1e-3 : nil }

  /// The maximum of m at a straight boundary: the triangle's two largest weights, halved, make the derivative.
  var straightBoundary: Float {
    let derivative: Float = (5 + 4) / 25 / 2
    return (derivative * derivative + 1e-6).squareRoot()
  }
}
