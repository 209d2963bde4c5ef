/// Which tensors of a file are which of a network: the naming and the prefix under which most of its names are found.
package struct NameMatch: Sendable {
  package let naming: BackboneNaming
  /// What comes before the names in the file, `module.backbone.`.
  package let prefix: String
  /// The tensor of the file for each name of the network.
  package private(set) var entries: [String: StateDict.Entry] = [:]
  /// Names in the file that no network here needs: classifiers and other heads beside a backbone.
  package private(set) var ignored: [String] = []
  /// The other names in the file.
  package private(set) var unexpected: [String] = []

  /// For each name in the file that of this network, whether or not it has such a tensor; without wrappers and prefix.
  private(set) var translations: [String: String] = [:]
  /// Names of the backbone in the file, as timm's, whether or not the network has them.
  private var backbone: [String: StateDict.Entry] = [:]

  /// Parts of a name that PyTorch's wrappers around a module add.
  private static let wrappers: Set<Substring> = [
    "module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
  ]
  /// The first parts of the names of what is beside a backbone in the models of other libraries.
  private static let heads: Set<Substring> = [
    "fc", "head", "out", "classifier", "decode_head", "auxiliary_head", "neck", "segmentation_head", "decoder",
  ]
  private static let mostPrefixParts = 6

  private struct Key: Hashable {
    let naming: BackboneNaming
    let prefix: String
  }

  /// Matches by the names alone, of a network that need not be there.
  package init?(_ file: StateDict) throws { try self.init(file, isWanted: Self.isKnown) }

  /// - Parameter isWanted: whether the network has a tensor of this name.
  /// - Returns: nil if the file has no name of the network.
  /// - Throws: `WeightsError` if two tensors of the file are the same one of the network.
  init?(_ file: StateDict, isWanted: (String) -> Bool) throws {
    let names = file.entries.map { entry in
      entry.name.utf8.count > StateDict.longestName
        ? [] : entry.name.split(separator: ".", omittingEmptySubsequences: false).filter { !Self.wrappers.contains($0) }
    }
    // A ResNet-50 has 16 blocks.
    let isDeep = names.contains { name in zip(name, name.dropFirst()).contains { $0 == "blocks" && $1 == "16" } }
    var hits: [Key: Int] = [:]
    for name in names where name.last.map(Self.values.contains) == true {
      for start in 0..<min(name.count, Self.mostPrefixParts + 1) {
        for naming in BackboneNaming.allCases {
          guard let ours = naming.name(for: name[start...], isDeep: isDeep), isWanted(ours) else { continue }
          hits[Key(naming: naming, prefix: name[..<start].map { $0 + "." }.joined()), default: 0] += 1
        }
      }
    }
    guard let best = hits.max(by: { Self.isBetter($1, than: $0) })?.key else { return nil }
    (naming, prefix) = (best.naming, best.prefix)
    let skipped = prefix.split(separator: ".")

    for (entry, name) in zip(file.entries, names) {
      let ours =
        name.starts(with: skipped)
        ? naming.name(for: name.dropFirst(skipped.count), isDeep: isDeep) : nil
      translations[entry.name] = ours ?? name.joined(separator: ".")
      if let ours, ours.hasPrefix(ModelFile.backbonePrefix) {
        backbone[String(ours.dropFirst(ModelFile.backbonePrefix.count))] = entry
      }
      if let ours, isWanted(ours) {
        guard entries.updateValue(entry, forKey: ours) == nil else {
          throw WeightsError(file.path, .duplicateName(ours))
        }
      } else if isHead(name, after: skipped) {
        ignored.append(entry.name)
      } else {
        unexpected.append(entry.name)
      }
    }
  }

  /// Of two namings with as many names: the first one of `BackboneNaming`; a moving average; the shorter prefix.
  private static func isBetter(_ one: (key: Key, value: Int), than other: (key: Key, value: Int)) -> Bool {
    func rank(_ hit: (key: Key, value: Int)) -> (Int, Int, Int, Int) {
      let isAverage = hit.key.prefix.contains("teacher") || hit.key.prefix.contains("ema")
      return (
        -hit.value, BackboneNaming.allCases.firstIndex(of: hit.key.naming) ?? 0, isAverage ? 0 : 1,
        hit.key.prefix.utf8.count
      )
    }
    let (first, second) = (rank(one), rank(other))
    return first == second ? one.key.prefix < other.key.prefix : first < second
  }

  /// A classifier of the backbone, or, beside a backbone alone, any other head.
  private func isHead(_ name: [Substring], after skipped: [Substring]) -> Bool {
    let classifiers: Set = [
      "fc.weight", "fc.bias", ModelFile.backbonePrefix + "fc.weight", ModelFile.backbonePrefix + "fc.bias",
    ]
    let isUnderPrefix = name.starts(with: skipped)
    if isUnderPrefix, classifiers.contains(name.dropFirst(skipped.count).joined(separator: ".")) { return true }
    guard naming != .network else { return false }
    return name.prefix(skipped.count + 1).contains { Self.heads.contains($0) }
  }

  /// The naming for the user, `timm under backbone.`.
  package var title: String { prefix.isEmpty ? naming.rawValue : "\(naming.rawValue) under \(prefix)" }

  // MARK: - Names by their form

  private static let parts = ["shape_stream.", "feature_fusion.", "seg."]
  /// The last parts of the names of tensors, PyTorch's and Paddle's.
  private static let values: Set<Substring> = [
    "weight", "bias", "running_mean", "running_var", "num_batches_tracked", "_mean", "_variance",
  ]

  /// Whether a name has the form of one of the network's.
  private static func isKnown(_ name: String) -> Bool {
    if parts.contains(where: name.hasPrefix) { return true }
    guard name.hasPrefix(ModelFile.backbonePrefix) else { return false }
    let parts = name.dropFirst(ModelFile.backbonePrefix.count).split(separator: ".")
    guard let first = parts.first, let last = parts.last, values.contains(last), !last.hasPrefix("_") else {
      return false
    }
    return first == "conv1" || first == "bn1" || ["layer1", "layer2", "layer3", "layer4"].contains(first)
  }

  /// Whether the file has the shape stream, and so the whole network.
  package var isNetwork: Bool { entries.keys.contains { $0.hasPrefix("shape_stream.") } }

  /// Blocks of the third stage, which tells a ResNet-50 (6) from a ResNet-101 (23).
  package var blocksInStage3: Int {
    let blocks = backbone.keys.compactMap { name -> Int? in
      let parts = name.split(separator: ".")
      return parts.count > 1 && parts[0] == "layer3" ? Int(parts[1]) : nil
    }
    return Set(blocks).count
  }
}

// MARK: - Backbones that do not fit

extension NameMatch {
  /// Why the backbone in the file is another one than the network's; nil if nothing in particular is known.
  ///
  /// - Parameter isWanted: whether the network has a tensor of this name.
  func otherBackbone(isWanted: (String) -> Bool) -> String? {
    func wants(_ name: String) -> Bool { isWanted(ModelFile.backbonePrefix + name) }
    if wants("conv1.0.weight"), let stem = backbone["conv1.weight"]?.tensor.shape, stem.count == 4, stem[2] > 3 {
      return "its backbone begins with one convolution of \(stem[2])×\(stem[3]) (torchvision's ResNet), this network's "
        + "with three of 3×3 (ResNet-D)"
    }
    let shortcut = "layer1.0.downsample."
    if wants(shortcut + "1.weight"), backbone[shortcut + "0.weight"]?.tensor.shape.count == 4 {
      return "the shortcuts of its backbone are strided convolutions (ResNetV1c), this network's take means first "
        + "(ResNetV1d)"
    }
    let blocks = blocksInStage3
    let wanted = (0..<64).prefix { wants("layer3.\($0).conv1.weight") }.count
    guard blocks > 0, wanted > 0, blocks != wanted else { return nil }
    // Of a backbone that is not whole the names that are missing say more.
    guard let other = Self.depths[blocks], let own = Self.depths[wanted] else { return nil }
    return "its backbone is a \(other) (\(blocks) blocks in the third stage), this network's a \(own) (\(wanted))"
  }

  /// ResNets by the blocks of their third stage.
  private static let depths = [2: "resnet26", 6: "resnet50", 23: "resnet101", 36: "resnet152"]
}
