import Layers
import System
import Tensors

/// A network's weights and running statistics in a file: written as safetensors, read in any format of `StateDict`, named
/// and laid out as in PyTorch's `state_dict`.
package enum ModelFile {
  /// The metadata of files that PyTorch writes, which some readers require.
  static let formatMetadata = ["format": "pt"]

  /// The prefix of the backbone's names in the network; files of timm have none.
  package static let backbonePrefix = "regular_stream.backbone."

  static let normalizationKey = "normalization"

  /// What a file of weights says about the images that they were trained with.
  package static func metadata(_ normalization: Normalization) -> [String: String] {
    [normalizationKey: normalization.rawValue]
  }

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

  /// Loads a file into a network, whose names it may have from another library (`BackboneNaming`). Classifiers are ignored,
  /// and `num_batches_tracked` need not be there.
  ///
  /// - Parameter strict: as in PyTorch: whether every tensor of the network must be in the file with the right shape,
  ///   and no other. Otherwise loads what matches: the whole network, or the backbone alone, but no part of one.
  /// - Returns: which tensors were loaded, and which were not and why.
  /// - Throws: `WeightsError` that names the file and the first tensors that do not match or hold values that are not
  ///   finite, or `FileError`; `store` is then unchanged.
  @discardableResult
  package static func load(_ path: String, into store: ParameterStore, strict: Bool = true) throws -> MatchReport {
    try load(StateDict(contentsOf: path), into: store, strict: strict)
  }

  @discardableResult
  package static func load(_ file: StateDict, into store: ParameterStore, strict: Bool = true) throws -> MatchReport {
    let plan = try Plan(file, for: store)
    if strict {
      if let difference = plan.report.difference { throw WeightsError(file.path, .mismatch(difference)) }
    } else {
      guard !plan.report.matched.isEmpty else {
        throw WeightsError(file.path, .nothingFits(file.entries.first?.name ?? "none at all"))
      }
      if let difference = backboneDifference(plan.report) { throw WeightsError(file.path, .mismatch(difference)) }
    }
    try plan.requireFinite()
    plan.apply()
    return plan.report
  }

  /// Compares the names, shapes and types of a file with those of a network, of which a backbone alone is a part; loads
  /// nothing.
  ///
  /// - Throws: `WeightsError` if the file holds another backbone, or a part of one.
  package static func compare(_ file: StateDict, with store: ParameterStore) throws -> MatchReport {
    let report = try Plan(file, for: store).report
    if let difference = backboneDifference(report) { throw WeightsError(file.path, .mismatch(difference)) }
    return report
  }

  /// Why the backbone in a file is not whole; nil if it is.
  private static func backboneDifference(_ report: MatchReport) -> String? {
    let isOfBackbone = { (name: String) in name.hasPrefix(backbonePrefix) }
    let (missing, incompatible) = (report.missing.filter(isOfBackbone), report.incompatible.filter(isOfBackbone))
    let foreign = report.unexpected.filter(isInBlock)
    if !foreign.isEmpty {
      return "its blocks hold what those of a ResNet-D do not, such as attention: \(MatchReport.first(foreign))"
    }
    guard !missing.isEmpty || !incompatible.isEmpty else { return nil }
    let present = report.matched.count(where: isOfBackbone)
    var words = "it holds a part of the backbone, \(present) tensors that fit"
    if !missing.isEmpty { words += "; it lacks \(MatchReport.first(missing))" }
    if !incompatible.isEmpty { words += "; \(MatchReport.first(incompatible))" }
    return words
  }

  /// Whether a name is that of a tensor in a residual block: "layer1.0.se.conv.weight".
  private static func isInBlock(_ name: String) -> Bool {
    let parts = name.split(separator: ".")
    return zip(parts, parts.dropFirst()).contains {
      ["layer1", "layer2", "layer3", "layer4"].contains($0) && Int($1) != nil
    }
  }

  @discardableResult
  static func read(_ file: Safetensors, into store: ParameterStore) throws -> MatchReport {
    try load(StateDict(file), into: store)
  }

  /// Plans to read the momentum of every parameter, all finite, into `momentum`, which is laid out as `store.values`.
  static func planMomentum(_ file: Safetensors, for store: ParameterStore, into momentum: FloatSlice) throws -> Plan {
    precondition(momentum.count == store.values.count)
    let plan = Plan(StateDict(file), parametersOf: store, into: momentum)
    if let difference = plan.report.difference { throw WeightsError(file.path, .mismatch(difference)) }
    try plan.requireFinite()
    return plan
  }
}

extension ModelFile {
  /// Which tensor of a file is copied where, decided before anything is changed.
  struct Plan {
    private(set) var report = MatchReport()
    private let path: String
    private var copies: [(entry: StateDict.Entry, target: Target)] = []

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

    /// - Throws: `WeightsError` if the file holds another backbone, or a tensor twice.
    init(_ file: StateDict, for store: ParameterStore) throws {
      path = file.path
      let wanted = store.entries.map { entry -> (name: String, target: Target) in
        switch entry {
        case .parameter(let parameter): (parameter.name, .floats(parameter.value.start, parameter.layout))
        case .statistic(let statistic): (statistic.name, .floats(statistic.value.start, .vector(statistic.count)))
        case .counter(let counter): (counter.name, .counter(counter))
        }
      }
      let names = Set(wanted.map(\.name))
      let found = try NameMatch(file, isWanted: names.contains)
      if let reason = found?.otherBackbone(isWanted: names.contains) { throw WeightsError(path, .mismatch(reason)) }
      match(wanted) { found?.entries[$0] }
      report.naming = found?.title
      report.ignored = found?.ignored ?? []
      report.unexpected = found?.unexpected ?? file.entries.map(\.name)
    }

    init(_ file: StateDict, parametersOf store: ParameterStore, into momentum: FloatSlice) {
      path = file.path
      let wanted = store.parameters.map { ($0.name, Target.floats(momentum.start + $0.offset, $0.layout)) }
      match(wanted) { file[$0] }
      let names = Set(wanted.map(\.0))
      report.unexpected = file.entries.map(\.name).filter { !names.contains($0) }
    }

    private mutating func match(
      _ wanted: [(name: String, target: Target)], _ find: (_ name: String) -> StateDict.Entry?
    ) {
      for (name, target) in wanted {
        guard let entry = find(name) else {
          if case .counter = target { continue }
          report.missing.append(name)
          continue
        }
        if entry.tensor.shape != target.shape, !isCounter(entry, target) {
          report.incompatible.append("\(name) is \(entry.tensor.shape), not \(target.shape)")
        } else if !isCompatible(entry, target) {
          report.incompatible.append("\(name) is \(entry.tensor.type.rawValue)")
        } else {
          report.matched.append(name)
          copies.append((entry, target))
        }
      }
    }

    private func isCompatible(_ entry: StateDict.Entry, _ target: Target) -> Bool {
      switch target {
      case .floats: entry.tensor.isFloatingPoint
      case .counter: entry.tensor.integer != nil
      }
    }

    /// Whether a counter is stored with the shape `[1]`.
    private func isCounter(_ entry: StateDict.Entry, _ target: Target) -> Bool {
      if case .counter = target { entry.tensor.shape == [1] } else { false }
    }

    /// Refuses numbers that are infinite or not a number in the tensors that match.
    func requireFinite() throws { try StateDict.requireFinite(copies.map(\.entry), of: path) }

    /// Copies every tensor that matches.
    func apply() {
      for (entry, target) in copies {
        switch target {
        case .counter(let counter): counter.value = entry.tensor.integer ?? counter.value
        case .floats(let start, .vector): entry.tensor.copy(to: start)
        case .floats(let start, .filter(let kernel, let inputs, let outputs)):
          let scratch = Buffer(count: entry.tensor.count)
          entry.tensor.copy(to: scratch.start)
          TensorLayout.fromPyTorch(scratch.start, kernel: kernel, inputs: inputs, outputs: outputs, to: start)
        }
      }
    }
  }
}
