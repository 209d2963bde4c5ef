import Foundation
import GatedSCNN
import Layers
import Tensors

/// Weights and inputs by formula, easy to reproduce in any language: those that the reference values were computed
/// from.
enum FormulaValues {
  /// `count` numbers in [−1, 1) from the random stream of a name.
  static func uniform(_ name: String, _ count: Int) -> [Double] {
    var random = RandomNumbers(named: name)
    return (0..<count).map { _ in random.uniform(in: -1..<1) }
  }

  /// Fills every parameter and running statistic of a network.
  static func fill(_ store: ParameterStore) {
    for entry in store.entries {
      switch entry {
      case .parameter(let parameter):
        let values = weights(parameter.name, shape: parameter.layout.shape)
        for (index, value) in values.enumerated() {
          parameter.value[offset(of: index, in: parameter.layout)] = Float(value)
        }
      case .statistic(let statistic):
        for (index, value) in weights(statistic.name, shape: [statistic.count]).enumerated() {
          statistic.value[index] = Float(value)
        }
      case .counter: break
      }
    }
  }

  /// The offset of PyTorch's value number `index` in the memory layout of a parameter.
  static func offset(of index: Int, in layout: Parameter.Layout) -> Int {
    guard case .filter(let kernel, let inputs, let outputs) = layout else { return index }
    let taps = kernel * kernel
    let (output, input, tap) = (index / taps / inputs, index / taps % inputs, index % taps)
    return (tap * inputs + input) * outputs + output
  }

  private static func weights(_ name: String, shape: [Int]) -> [Double] {
    let u = uniform(name, shape.reduce(1, *))
    if name.hasSuffix("running_mean") { return u.map { 0.1 * $0 } }
    if name.hasSuffix("running_var") { return u.map { 1 + 0.25 * $0 } }
    if shape.count == 4 {
      let bound = (6 / Double(shape[1] * shape[2] * shape[3])).squareRoot() * 0.7
      return u.map { bound * $0 }
    }
    if name.hasSuffix("bias") { return u.map { 0.1 * $0 } }
    let damped = name.hasSuffix("bn3.weight") || name.hasPrefix("shape_stream.res") && name.hasSuffix("bn2.weight")
    return u.map { (damped ? 0.2 : 1) * (1 + 0.25 * $0) }
  }

  /// A batch in the memory layout of the network.
  struct Batch {
    let image: Tensor
    let canny: Tensor
    let target: [UInt8]
    let boundary: [UInt8]

    init(_ images: Int, _ height: Int, _ width: Int) {
      let pixels = height * width
      let planes = uniform("input.image", images * 3 * pixels)
      var image = [Float](repeating: 0, count: planes.count)
      for n in 0..<images {
        for pixel in 0..<pixels {
          for channel in 0..<3 {
            image[(n * pixels + pixel) * 3 + channel] = Float(
              2 * planes[(n * 3 + channel) * pixels + pixel])
          }
        }
      }
      self.image = Tensor(Shape(images, height, width, 3), dense: image)
      canny = Tensor(
        Shape(images, height, width, 1), dense: uniform("input.canny", images * pixels).map { $0 > 0.8 ? 1 : 0 })
      boundary = uniform("input.boundary", images * pixels).map { $0 > 0.7 ? 1 : 0 }

      let (rows, columns) = ((height + 7) / 8, (width + 7) / 8)
      let classes = uniform("input.labels", images * rows * columns).map { value -> UInt8 in
        let label = UInt8((value + 1) / 2 * 20)
        return label == 19 ? 255 : label
      }
      var target = [UInt8](repeating: 0, count: images * pixels)
      for n in 0..<images {
        for y in 0..<height {
          for x in 0..<width {
            target[(n * height + y) * width + x] = classes[(n * rows + y / 8) * columns + x / 8]
          }
        }
      }
      self.target = target
    }
  }
}
