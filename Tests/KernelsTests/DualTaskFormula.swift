import Foundation
import Kernels
import Tensors

/// The dual-task loss of an image by its formula, in double precision and pixel by pixel.
struct DualTaskFormula {
  private let variant: DualTaskLoss.Variant
  private let temperature: Double

  init(_ variant: DualTaskLoss.Variant, temperature: Double) {
    (self.variant, self.temperature) = (variant, temperature)
  }

  /// A map of one number a pixel.
  private struct Plane {
    let height, width: Int
    var values: [Double]

    init(_ height: Int, _ width: Int, _ value: (Int, Int) -> Double) {
      (self.height, self.width) = (height, width)
      values = (0..<height * width).map { value($0 / width, $0 % width) }
    }

    /// Mirrored beyond the frame.
    subscript(y: Int, x: Int) -> Double { values[mirrored(y, height) * width + mirrored(x, width)] }

    private func mirrored(_ index: Int, _ count: Int) -> Int {
      var index = index
      while index < 0 || index >= count { index = index < 0 ? -1 - index : 2 * count - 1 - index }
      return index
    }

    func filtered(_ weights: [Double], _ direction: (y: Int, x: Int)) -> Plane {
      let radius = weights.count / 2
      return Plane(height, width) { y, x in
        (-radius...radius).reduce(0) { sum, k in
          sum + weights[k + radius] * self[y + k * direction.y, x + k * direction.x]
        }
      }
    }

    /// Central differences, one-sided at the frame.
    func derivative(_ direction: (y: Int, x: Int)) -> Plane {
      Plane(height, width) { y, x in
        let (before, after) = (
          (max(y - direction.y, 0), max(x - direction.x, 0)),
          (min(y + direction.y, height - 1), min(x + direction.x, width - 1))
        )
        let distance = abs(after.0 - before.0) + abs(after.1 - before.1)
        return distance == 0 ? 0 : (self[after.0, after.1] - self[before.0, before.1]) / Double(distance)
      }
    }
  }

  private static let (down, right) = ((y: 1, x: 0), (y: 0, x: 1))

  private func magnitude(_ plane: Plane) -> Plane {
    func root(_ value: @escaping (Int) -> Double) -> Plane {
      Plane(plane.height, plane.width) { y, x in value(y * plane.width + x).squareRoot() }
    }
    func smoothed(_ weights: [Double]) -> Plane {
      let normalized = weights.map { $0 / weights.reduce(0, +) }
      return plane.filtered(normalized, Self.right).filtered(normalized, Self.down)
    }
    switch variant {
    case .released: return root { 2 * plane.values[$0] * plane.values[$0] + 1e-6 }
    case .paddle:
      let smooth = smoothed([1, 2, 3, 4, 5, 4, 3, 2, 1])
      let (dx, dy) = (smooth.derivative(Self.right), smooth.derivative(Self.down))
      return root { dx.values[$0] * dx.values[$0] + dy.values[$0] * dy.values[$0] + 1e-6 }
    case .paper:
      let smooth = smoothed((-6...6).map { exp(-Double($0 * $0) / 8) })
      let dx = smooth.filtered([0.25, 0.5, 0.25], Self.down).derivative(Self.right)
      let dy = smooth.filtered([0.25, 0.5, 0.25], Self.right).derivative(Self.down)
      return root { 2 * (dx.values[$0] * dx.values[$0] + dy.values[$0] * dy.values[$0]) }
    }
  }

  /// - Parameter z: logits, `[H, W, C]`.
  func sum(_ z: [Double], _ shape: Shape, _ target: [UInt8], _ noise: RandomNumbers) -> Double {
    let (height, width, classes) = (shape.height, shape.width, shape.channels)
    var g = [[Double]](repeating: [Double](repeating: 0, count: height * width), count: classes)
    for pixel in target.indices where target[pixel] != 255 {
      let samples = (0..<classes).map { c in
        let uniform = Double(noise.bits(at: c * height * width + pixel) >> 40) / 16_777_216
        return exp((z[pixel * classes + c] - log(1e-10 - log(uniform + 1e-10))) / temperature)
      }
      for c in 0..<classes { g[c][pixel] = samples[c] / samples.reduce(0, +) }
    }
    let predicted = g.map { values in magnitude(Plane(height, width) { y, x in values[y * width + x] }).values }
    let labeled = (0..<classes).map { c in
      magnitude(Plane(height, width) { y, x in Int(target[y * width + x]) == c ? 1 : 0 }).values
    }
    let valid = target.indices.filter { target[$0] != 255 }
    var (scale, labelScale) = (1.0, 1.0)
    if variant != .paper {
      scale = predicted.map { m in valid.map { m[$0] }.max() ?? 0 }.max() ?? 0
      labelScale = labeled.map { m in valid.map { m[$0] }.max() ?? 0 }.max() ?? 0
      if variant == .paddle, Set(target).count == 1 { labelScale = (0.18 * 0.18 + 1e-6).squareRoot() }
    }
    var sum = 0.0
    for c in 0..<classes {
      for pixel in valid {
        let (one, other) = (predicted[c][pixel] / scale, labeled[c][pixel] / labelScale)
        if variant != .paper || one > 1e-3 || other > 1e-3 { sum += abs(one - other) }
      }
    }
    return sum
  }
}
