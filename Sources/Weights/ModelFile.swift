import Layers
import Tensors

/// A network's weights and running statistics in a safetensors file, named and laid out as in PyTorch's `state_dict`.
package enum ModelFile {
  /// What PyTorch writes to its own files; some readers ask for it.
  static let origin = ["format": "pt"]

  /// Where the backbone's parameters stand in the network, and where timm's own files have no prefix.
  package static let backbonePrefix = "regular_stream.backbone."

  /// Replaces the file at `path` by the weights of `store`, or leaves it as it was.
  ///
  /// - Parameter metadata: remarks that go with the weights.
  /// - Throws: `WeightsError` that names the file.
  package static func write(
    _ store: ParameterStore, to path: String, metadata: [String: String] = [:], on disk: FileSystem = FileSystem()
  ) throws {
    try write(Snapshot(sharing: store), to: path, metadata: metadata, on: disk)
  }

  /// The same for a snapshot, which may be written while the network learns on.
  package static func write(
    _ snapshot: Snapshot, to path: String, metadata: [String: String] = [:], on disk: FileSystem = FileSystem()
  ) throws {
    let metadata = metadata.merging(origin) { ours, _ in ours }
    try SafetensorsWriter.write(snapshot.model(), metadata: metadata, to: path, on: disk)
  }

  /// Reads the whole network: every tensor must be there and of the right shape.
  ///
  /// timm's unused classifier, `regular_stream.backbone.fc`, is passed over.
  ///
  /// - Throws: `WeightsError` that names the file and the first tensors that do not fit; `store` is then as it was.
  package static func read(_ path: String, into store: ParameterStore) throws {
    try read(Safetensors(contentsOf: path), into: store)
  }

  static func read(_ file: Safetensors, into store: ParameterStore) throws {
    let plan = Plan(file, for: store)
    if let difference = plan.report.difference { throw WeightsError(file.path, .mismatch(difference)) }
    plan.carryOut()
  }

  /// Reads whatever fits: the whole network, or the backbone alone under timm's own names.
  ///
  /// - Returns: which tensors were read, and which were not and why.
  /// - Throws: `WeightsError` where the file cannot be read or nothing in it fits.
  package static func readWhatFits(_ path: String, into store: ParameterStore) throws -> MatchReport {
    let file = try Safetensors(contentsOf: path)
    let plan = Plan(file, for: store)
    guard !plan.report.matched.isEmpty else {
      throw WeightsError(path, .nothingFits(file.entries.first?.name ?? "none at all"))
    }
    plan.carryOut()
    return plan.report
  }

  /// Reads the momentum of every parameter into `momentum`, which is laid out as `store.values`.
  static func planMomentum(_ file: Safetensors, for store: ParameterStore, into momentum: FloatSlice) throws -> Plan {
    precondition(momentum.count == store.values.count)
    let plan = Plan(file, parametersOf: store, into: momentum)
    if let difference = plan.report.difference { throw WeightsError(file.path, .mismatch(difference)) }
    return plan
  }
}

extension ModelFile {
  /// Which tensor of a file goes where: made and judged before anything is changed.
  struct Plan {
    private(set) var report = MatchReport()
    private let file: Safetensors
    private var moves: [(entry: Safetensors.Entry, target: Target)] = []

    private enum Target {
      case floats(UnsafeMutablePointer<Float>, Parameter.Layout)
      case counter(BatchCounter)

      /// PyTorch's shape.
      var shape: [Int] {
        switch self {
        case .floats(_, let form): form.shape
        case .counter: []
        }
      }
    }

    init(_ file: Safetensors, for store: ParameterStore) {
      self.file = file
      match(
        store.entries.map { entry in
          switch entry {
          case .parameter(let parameter): (parameter.name, .floats(parameter.value.start, parameter.layout))
          case .statistic(let statistic): (statistic.name, .floats(statistic.value.start, .vector(statistic.count)))
          case .counter(let counter): (counter.name, .counter(counter))
          }
        })
    }

    init(_ file: Safetensors, parametersOf store: ParameterStore, into momentum: FloatSlice) {
      self.file = file
      match(store.parameters.map { ($0.name, .floats(momentum.start + $0.offset, $0.layout)) })
    }

    private mutating func match(_ wanted: [(name: String, target: Target)]) {
      var used = Set<String>()
      for (name, target) in wanted {
        guard let entry = file[name] ?? backboneEntry(name) else {
          report.missing.append(name)
          continue
        }
        used.insert(entry.name)
        if entry.shape != target.shape {
          report.unfit.append("\(name) is \(entry.shape), not \(target.shape)")
        } else if !fits(entry, target) {
          report.unfit.append("\(name) is \(entry.type.rawValue)")
        } else {
          report.matched.append(name)
          moves.append((entry, target))
        }
      }
      for entry in file.entries where !used.contains(entry.name) {
        if Self.isClassifier(entry.name) {
          report.passedOver.append(entry.name)
        } else {
          report.unexpected.append(entry.name)
        }
      }
    }

    /// A tensor of the backbone under the name that it has in timm.
    private func backboneEntry(_ name: String) -> Safetensors.Entry? {
      guard name.hasPrefix(ModelFile.backbonePrefix) else { return nil }
      return file[String(name.dropFirst(ModelFile.backbonePrefix.count))]
    }

    private func fits(_ entry: Safetensors.Entry, _ target: Target) -> Bool {
      switch target {
      case .floats: Safetensors.readable(entry.type)
      case .counter: file.integer(entry) != nil
      }
    }

    /// timm's classifier of images, which segmentation has no use for.
    private static func isClassifier(_ name: String) -> Bool {
      ["fc.weight", "fc.bias"].contains { name == $0 || name == ModelFile.backbonePrefix + $0 }
    }

    /// Copies every tensor that fits to its place.
    func carryOut() {
      for (entry, target) in moves {
        switch target {
        case .counter(let counter): counter.value = file.integer(entry) ?? counter.value
        case .floats(let start, .vector): file.copy(entry, to: start)
        case .floats(let start, .filter(let kernel, let inputs, let outputs)):
          let scratch = Buffer(count: entry.count)
          file.copy(entry, to: scratch.start)
          TensorLayout.fromPyTorch(scratch.start, kernel: kernel, inputs: inputs, outputs: outputs, to: start)
        }
      }
    }
  }
}
