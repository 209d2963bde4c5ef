import Layers
import System
import Tensors

/// A network's weights and running statistics in a safetensors file, named and laid out as in PyTorch's `state_dict`.
package enum ModelFile {
  /// The metadata of files that PyTorch writes, which some readers require.
  static let formatMetadata = ["format": "pt"]

  /// The prefix of the backbone's names in the network; files of timm have none.
  package static let backbonePrefix = "regular_stream.backbone."

  /// Replaces the file at `path` atomically by the weights of `store`.
  ///
  /// - Parameter metadata: additional metadata of the file.
  /// - Throws: `FileError` that names the file, which is then unchanged.
  package static func write(
    _ store: ParameterStore, to path: String, metadata: [String: String] = [:], in fileSystem: FileSystem = FileSystem()
  ) throws {
    let metadata = metadata.merging(formatMetadata) { ours, _ in ours }
    try SafetensorsWriter.write(Snapshot(sharing: store).model(), metadata: metadata, to: path, in: fileSystem)
  }

  /// Loads a file into a network. timm's classifier, `regular_stream.backbone.fc`, is ignored.
  ///
  /// - Parameter strict: as in PyTorch: whether every tensor of the network must be in the file with the right shape,
  ///   and no other. Otherwise loads what matches: the whole network, or the backbone alone under timm's names.
  /// - Returns: which tensors were loaded, and which were not and why.
  /// - Throws: `WeightsError` that names the file and the first tensors that do not match or hold values that are not
  ///   finite, or `FileError`; `store` is then unchanged.
  @discardableResult
  package static func load(_ path: String, into store: ParameterStore, strict: Bool = true) throws -> MatchReport {
    let file = try Safetensors(contentsOf: path)
    if strict { return try read(file, into: store) }
    let plan = Plan(file, for: store)
    guard !plan.report.matched.isEmpty else {
      throw WeightsError(path, .nothingFits(file.entries.first?.name ?? "none at all"))
    }
    try plan.requireFinite()
    plan.apply()
    return plan.report
  }

  @discardableResult
  static func read(_ file: Safetensors, into store: ParameterStore) throws -> MatchReport {
    let plan = Plan(file, for: store)
    if let difference = plan.report.difference { throw WeightsError(file.path, .mismatch(difference)) }
    try plan.requireFinite()
    plan.apply()
    return plan.report
  }

  /// Plans to read the momentum of every parameter, all finite, into `momentum`, which is laid out as `store.values`.
  static func planMomentum(_ file: Safetensors, for store: ParameterStore, into momentum: FloatSlice) throws -> Plan {
    precondition(momentum.count == store.values.count)
    let plan = Plan(file, parametersOf: store, into: momentum)
    if let difference = plan.report.difference { throw WeightsError(file.path, .mismatch(difference)) }
    try plan.requireFinite()
    return plan
  }
}

extension ModelFile {
  /// Which tensor of a file is copied where, decided before anything is changed.
  struct Plan {
    private(set) var report = MatchReport()
    private let file: Safetensors
    private var copies: [(entry: Safetensors.Entry, target: Target)] = []

    private enum Target {
      case floats(UnsafeMutablePointer<Float>, Parameter.Layout)
      case counter(BatchCounter)

      /// PyTorch's shape.
      var shape: [Int] {
        switch self {
        case .floats(_, let layout): layout.shape
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
          report.incompatible.append("\(name) is \(entry.shape), not \(target.shape)")
        } else if !isCompatible(entry, target) {
          report.incompatible.append("\(name) is \(entry.type.rawValue)")
        } else {
          report.matched.append(name)
          copies.append((entry, target))
        }
      }
      for entry in file.entries where !used.contains(entry.name) {
        if Self.isClassifier(entry.name) {
          report.ignored.append(entry.name)
        } else {
          report.unexpected.append(entry.name)
        }
      }
    }

    /// A tensor of the backbone under timm's name.
    private func backboneEntry(_ name: String) -> Safetensors.Entry? {
      guard name.hasPrefix(ModelFile.backbonePrefix) else { return nil }
      return file[String(name.dropFirst(ModelFile.backbonePrefix.count))]
    }

    private func isCompatible(_ entry: Safetensors.Entry, _ target: Target) -> Bool {
      switch target {
      case .floats: Safetensors.readable(entry.type)
      case .counter: file.integer(entry) != nil
      }
    }

    /// timm's image classifier, which segmentation does not need.
    private static func isClassifier(_ name: String) -> Bool {
      ["fc.weight", "fc.bias"].contains { name == $0 || name == ModelFile.backbonePrefix + $0 }
    }

    /// Refuses numbers that are infinite or not a number in the tensors that match.
    func requireFinite() throws { try file.requireFinite(copies.map(\.entry)) }

    /// Copies every tensor that matches.
    func apply() {
      for (entry, target) in copies {
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
