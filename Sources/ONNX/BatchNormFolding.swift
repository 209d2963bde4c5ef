import Layers
import Tensors
import Weights

/// Which convolution of a trace each batch norm is folded into.
///
/// A batch norm goes into the convolution before it, if only the batch norm uses its output; otherwise into a 1×1
/// convolution after it, if only this one uses the normalized values. (With a larger kernel the padding, zero after
/// the normalization, would have another value before it.) What fits neither stays a scale and a shift.
struct BatchNormFolding {
  /// The batch norm after a convolution, by the convolution's index in the trace.
  private var after: [Int: BatchNorm] = [:]
  /// The batch norm before a convolution.
  private var before: [Int: BatchNorm] = [:]
  /// What becomes of each batch norm, by its index in the trace.
  private var places: [Int: Place] = [:]

  enum Place {
    case intoConvolutionBefore
    case intoConvolutionAfter
    case none
  }

  /// - Parameter outputs: values that are outputs of the network.
  init(_ trace: Trace, outputs: [Trace.Value]) {
    let producer = Dictionary(uniqueKeysWithValues: trace.nodes.enumerated().map { ($1.output, $0) })
    var users: [Trace.Value: [Int]] = [:]
    for (index, node) in trace.nodes.enumerated() {
      for input in node.inputs { users[input, default: []].append(index) }
    }

    /// The convolution at an index, if only one node uses `value`.
    func convolution(_ index: Int?, sole value: Trace.Value) -> Convolution? {
      guard let index, users[value]?.count == 1, !outputs.contains(value) else { return nil }
      if case .convolution(let convolution) = trace.nodes[index].operation { return convolution }
      return nil
    }
    for (index, node) in trace.nodes.enumerated() {
      guard case .batchNorm(let norm, let relu) = node.operation else { continue }
      let (input, user) = (node.inputs[0], users[node.output]?.first)
      if let maker = producer[input], convolution(maker, sole: input) != nil {
        after[maker] = norm
        places[index] = .intoConvolutionBefore
      } else if !relu, node.inputs.count == 1, let user, convolution(user, sole: node.output)?.kernel == 1 {
        before[user] = norm
        places[index] = .intoConvolutionAfter
      }
    }
  }

  func place(of index: Int) -> Place { places[index] ?? .none }

  func folded(_ convolution: Convolution, at index: Int) -> FoldedConvolution {
    FoldedConvolution(convolution, before: before[index], after: after[index])
  }
}

/// A convolution with the batch norms next to it folded in.
///
/// With s, t the scale and shift of a batch norm per channel, o the outputs and i the inputs:
///
///     W′[o, i] = s_after[o] · W[o, i] · s_before[i]
///     b′[o] = s_after[o] · (b[o] + Σᵢ W[o, i] · t_before[i]) + t_after[o]
///
/// computed in double precision and rounded once.
struct FoldedConvolution {
  let convolution: Convolution
  private let before: BatchNorm?
  private let after: BatchNorm?

  init(_ convolution: Convolution, before: BatchNorm?, after: BatchNorm?) {
    precondition(before == nil || convolution.kernel == 1)
    self.convolution = convolution
    self.before = before
    self.after = after
  }

  /// Writes W′, `[outputs, inputs, kernel, kernel]`.
  func fillWeight(_ bytes: UnsafeMutableRawBufferPointer) {
    let filter = convolution.weight.filter
    let weight = bytes.bindMemory(to: Float.self)
    guard let start = weight.baseAddress else { return }
    TensorLayout.toPyTorch(
      filter.start, kernel: filter.kernel, inputs: filter.inputs, outputs: filter.outputs, to: start)
    let (inputScale, outputScale) = (before?.affineMap.scale, after?.affineMap.scale)
    guard inputScale != nil || outputScale != nil else { return }
    let taps = filter.kernel * filter.kernel
    for output in 0..<filter.outputs {
      for input in 0..<filter.inputs {
        let factor = (outputScale?[output] ?? 1) * (inputScale?[input] ?? 1)
        let first = (output * filter.inputs + input) * taps
        for index in first..<first + taps { weight[index] = Float(Double(weight[index]) * factor) }
      }
    }
  }

  /// b′; nil if there is nothing to add.
  var bias: [Float]? {
    guard convolution.bias != nil || before != nil || after != nil else { return nil }
    let filter = convolution.weight.filter
    var sums = (0..<filter.outputs).map { Double(convolution.bias?.value[$0] ?? 0) }
    if let shift = before?.affineMap.shift {
      for input in 0..<filter.inputs {
        for output in 0..<filter.outputs {
          sums[output] += Double(filter.start[input * filter.outputs + output]) * shift[input]
        }
      }
    }
    if let (scale, shift) = after?.affineMap {
      for output in sums.indices { sums[output] = scale[output] * sums[output] + shift[output] }
    }
    return sums.map { Float($0) }
  }
}
