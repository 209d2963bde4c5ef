/// The names that libraries give the tensors of a ResNet-D, and those of this network for them.
///
/// A ResNet-D has a stem of three 3×3 convolutions, and shortcuts of a 2×2 mean and a 1×1 convolution. Sources: timm's
/// timm/models/resnet.py; mmseg/models/backbones/resnet.py of mmsegmentation; mmpretrain/models/backbones/resnet.py;
/// paddleseg/models/backbones/resnet_vd.py; ppcls/arch/backbone/legendary_models/resnet.py of PaddleClas.
package enum BackboneNaming: String, CaseIterable, Sendable {
  /// The whole network, and its backbone as a part of it.
  case network = "Gated-SCNN"
  case timm
  case mmsegmentation = "mmsegmentation's ResNetV1d"
  case mmpretrain = "mmpretrain's ResNetV1d"
  case paddleSeg = "PaddleSeg's ResNet_vd"
  case paddleClas = "PaddleClas's ResNet_vd"

  /// This network's name of a tensor; nil for a name that the library does not give.
  ///
  /// - Parameters:
  ///   - name: the parts of its name between the dots, without a prefix.
  ///   - isDeep: whether the file holds a ResNet-101, where names do not tell the stage.
  func name(for name: ArraySlice<Substring>, isDeep: Bool) -> String? {
    guard let first = name.first, let last = name.last else { return nil }
    if self == .network { return name.joined(separator: ".") }
    let parts: [String]?
    switch self {
    case .network, .timm: parts = name.map(String.init)
    case .mmsegmentation: parts = first == "stem" ? Self.sequentialStem(name) : name.map(String.init)
    case .mmpretrain: parts = first == "stem" ? Self.stem(name, last: String(last)) : name.map(String.init)
    case .paddleSeg: parts = Self.paddleSeg(name)
    case .paddleClas: parts = Self.paddleClas(name, isDeep: isDeep)
    }
    return parts.map { ModelFile.backbonePrefix + $0.joined(separator: ".") }
  }

  /// `stem.0.weight` … `stem.7.bias`: convolutions, norms and activations in one sequence.
  private static func sequentialStem(_ name: ArraySlice<Substring>) -> [String]? {
    guard name.count == 3, let place = Int(name[name.startIndex + 1]), let last = name.last else { return nil }
    switch place {
    case 0, 1, 3, 4, 6: return ["conv1", "\(place)", String(last)]
    case 7: return ["bn1", String(last)]
    default: return nil
    }
  }

  /// `stem.0.conv.weight`, `stem.0.bn.bias`.
  private static func stem(_ name: ArraySlice<Substring>, last: String) -> [String]? {
    guard name.count == 4, let index = Int(name[name.startIndex + 1]), (0...2).contains(index) else { return nil }
    switch name[name.startIndex + 2] {
    case "conv": return ["conv1", "\(3 * index)", last]
    case "bn": return index == 2 ? ["bn1", last] : ["conv1", "\(3 * index + 1)", last]
    default: return nil
    }
  }

  /// Paddle's names of the numbers of a norm.
  private static func paddleLast(_ last: Substring) -> String {
    switch last {
    case "_mean": "running_mean"
    case "_variance": "running_var"
    default: String(last)
    }
  }

  /// `conv1_1._conv.weight`, `bb_0_0.conv0._batch_norm._mean`, `bb_0_0.short._conv.weight`.
  private static func paddleSeg(_ name: ArraySlice<Substring>) -> [String]? {
    guard let first = name.first, let last = name.last.map(paddleLast) else { return nil }
    let numbers = first.split(separator: "_").dropFirst().compactMap { Int($0) }
    let isConvolution = name.dropLast().last == "_conv"
    guard isConvolution || name.dropLast().last == "_batch_norm" else { return nil }
    if name.count == 3, first.hasPrefix("conv1_"), numbers.count == 1, (1...3).contains(numbers[0]) {
      let index = numbers[0] - 1
      if isConvolution { return ["conv1", "\(3 * index)", last] }
      return index == 2 ? ["bn1", last] : ["conv1", "\(3 * index + 1)", last]
    }
    guard name.count == 4, first.hasPrefix("bb_"), numbers.count == 2, (0...3).contains(numbers[0]) else { return nil }
    return block(stage: numbers[0], numbers[1], name[name.startIndex + 1], isConvolution, last)
  }

  /// `stem.0.conv.weight`, `blocks.3.conv0.bn._mean`, `blocks.3.short.conv.weight`: the blocks of all stages in a row.
  private static func paddleClas(_ name: ArraySlice<Substring>, isDeep: Bool) -> [String]? {
    guard let first = name.first, let last = name.last.map(paddleLast) else { return nil }
    if first == "stem" { return stem(name, last: last) }
    guard name.count == 5, first == "blocks", let place = Int(name[name.startIndex + 1]), place >= 0 else { return nil }
    let kind = name[name.startIndex + 3]
    guard kind == "conv" || kind == "bn" else { return nil }
    let starts = [0, 3, 7, isDeep ? 30 : 13]
    let stage = (starts.lastIndex { $0 <= place }) ?? 0
    return block(stage: stage, place - starts[stage], name[name.startIndex + 2], kind == "conv", last)
  }

  /// A convolution of a block, counted from 0, or its shortcut, and the norm after it.
  private static func block(
    stage: Int, _ block: Int, _ layer: Substring, _ isConvolution: Bool, _ last: String
  ) -> [String]? {
    let place = ["layer\(stage + 1)", "\(block)"]
    if layer == "short" { return place + ["downsample", isConvolution ? "1" : "2", last] }
    guard layer.hasPrefix("conv"), let index = Int(layer.dropFirst(4)), (0...2).contains(index) else { return nil }
    return place + ["\(isConvolution ? "conv" : "bn")\(index + 1)", last]
  }
}
