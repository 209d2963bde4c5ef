import Layers
import Tensors

/// A copy of the parameters and buffers of a network, and of the momentum of its optimizer, at one moment.
///
/// Taking one costs three memory copies; filters are converted to PyTorch's layout when the snapshot is written.
struct Snapshot: Sendable {
  private enum Content {
    case parameter(Parameter.Layout, offset: Int)
    case statistic(offset: Int, count: Int)
    case counter(Int64)
  }

  private let contents: [(name: String, content: Content)]
  private let values: FloatSlice
  private let running: FloatSlice
  private let momentum: FloatSlice?

  /// Copies a network, and the momentum of its optimizer if there is one.
  ///
  /// - Parameters:
  ///   - momentum: as long as `store.values`, with the same offsets.
  ///   - workers: threads that copy.
  init(of store: ParameterStore, momentum: FloatSlice? = nil, on workers: WorkerPool? = nil) {
    self.init(
      entries: store.entries, values: Self.copy(store.values, workers), running: Self.copy(store.running, nil),
      momentum: momentum.map { Self.copy($0, workers) })
  }

  /// Shares the network's memory instead of copying it: valid as long as nothing changes it.
  init(sharing store: ParameterStore) {
    self.init(entries: store.entries, values: store.values, running: store.running, momentum: nil)
  }

  private init(entries: [ParameterStore.Entry], values: FloatSlice, running: FloatSlice, momentum: FloatSlice?) {
    precondition(momentum == nil || momentum?.count == values.count)
    contents = entries.map { entry in
      switch entry {
      case .parameter(let parameter): (parameter.name, .parameter(parameter.layout, offset: parameter.offset))
      case .statistic(let statistic):
        (statistic.name, .statistic(offset: statistic.offset, count: statistic.count))
      case .counter(let counter): (counter.name, .counter(counter.value))
      }
    }
    self.values = values
    self.running = running
    self.momentum = momentum
  }

  private static func copy(_ floats: FloatSlice, _ workers: WorkerPool?) -> FloatSlice {
    let copy = FloatSlice(count: floats.count)
    guard let workers else {
      copy.copy(from: floats)
      return copy
    }
    workers.forEachChunk(of: floats.count, grain: 1 << 20) { chunk, _ in
      (copy.start + chunk.lowerBound).update(from: floats.start + chunk.lowerBound, count: chunk.count)
    }
    return copy
  }

  /// Bytes of all numbers.
  var bytes: Int { (values.count + running.count + (momentum?.count ?? 0)) * MemoryLayout<Float>.stride }

  /// Bytes of the numbers of a snapshot with momentum.
  static func bytes(of store: ParameterStore) -> Int {
    (2 * store.values.count + store.running.count) * MemoryLayout<Float>.stride
  }

  /// The tensors of PyTorch's `state_dict` of the network.
  func model() -> [SafetensorsWriter.TensorRecord] {
    contents.map { name, content in
      switch content {
      case .parameter(let layout, let offset): Self.tensor(name, layout, values.start + offset)
      case .statistic(let offset, let count): Self.tensor(name, .vector(count), running.start + offset)
      case .counter(let value):
        SafetensorsWriter.TensorRecord(name, .int64, []) { bytes in
          bytes.storeBytes(of: value.littleEndian, as: Int64.self)
        }
      }
    }
  }

  /// The momentum of each parameter, under the name of the parameter; empty without momentum.
  func momenta() -> [SafetensorsWriter.TensorRecord] {
    guard let momentum else { return [] }
    return contents.compactMap { name, content in
      guard case .parameter(let layout, let offset) = content else { return nil }
      return Self.tensor(name, layout, momentum.start + offset)
    }
  }

  private static func tensor(
    _ name: String, _ layout: Parameter.Layout, _ source: UnsafeMutablePointer<Float>
  ) -> SafetensorsWriter.TensorRecord {
    SafetensorsWriter.TensorRecord(name, .float32, layout.shape) { bytes in
      guard let target = bytes.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
      switch layout {
      case .vector(let count): target.update(from: source, count: count)
      case .filter(let kernel, let inputs, let outputs):
        TensorLayout.toPyTorch(source, kernel: kernel, inputs: inputs, outputs: outputs, to: target)
      }
    }
  }
}
