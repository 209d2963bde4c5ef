import System
import Tensors

/// A file of weights of any format that is read, opened: PyTorch's `state_dict`, that is, tensors by name.
///
/// The format is told by the contents, not by the name. No code in a file is ever executed, and opening validates what the
/// file says, so that no tensor reaches beyond its storage.
package struct StateDict: Sendable {
  package enum Format: String, Sendable {
    case safetensors
    case zip = "PyTorch"
    case legacy = "PyTorch before 1.6"
    case paddle = "Paddle"
  }

  package struct Entry: Sendable {
    package let name: String
    package let tensor: TensorView

    package init(name: String, tensor: TensorView) {
      self.name = name
      self.tensor = tensor
    }
  }

  package let path: String
  package let format: Format
  /// Of safetensors its metadata; of a pickle the numbers and short texts beside the tensors, as `epoch`.
  package let metadata: [String: String]
  /// The keys under which the tensors were found, outermost first: `["state_dict"]`.
  package let wrappers: [String]
  /// In the order of the file.
  package let entries: [Entry]
  private let indices: [String: Int]

  /// More tensors than any network has.
  private static let mostEntries = 1 << 16

  /// - Throws: `WeightsError` or `FileError` that names the file, what is wrong with it and what to do.
  package init(contentsOf path: String) throws {
    if FileSystem.isDirectory(path, followingLinks: true) {
      throw WeightsError(
        path,
        .unsupported(
          "is a folder", remedy: "give a file: a run's …_model.safetensors, or model.safetensors of a checkpoint"))
    }
    let file = try MappedFile(path)
    let first = Array(file.bytes.prefix(512))
    if Self.isSafetensors(first) {
      try self.init(Safetensors(file))
    } else if ZipArchive.signatures.contains(where: first.starts) {
      self = try PyTorchArchive(file).stateDict()
    } else if first.starts(with: LegacyFile.signature) {
      self = try LegacyFile(file).stateDict()
    } else if first.first == 0x80, first.count > 1, (2...5).contains(first[1]) {
      self = try Self.paddle(file)
    } else if let kind = Self.otherKinds.first(where: { first.dropFirst($0.offset).starts(with: $0.bytes) }) {
      throw WeightsError(path, .unsupported(kind.what, remedy: kind.remedy))
    } else {
      try self.init(Safetensors(file))
    }
  }

  /// Whether a file begins with the length of a JSON header, below 2³², and that header. No other format does, though the
  /// length may be any bytes.
  private static func isSafetensors(_ first: [UInt8]) -> Bool {
    first.count > 8 && first[4..<8].allSatisfy { $0 == 0 } && first[8] == UInt8(ascii: "{")
  }

  /// Files that are given by mistake.
  private static let otherKinds: [(offset: Int, bytes: [UInt8], what: String, remedy: String)] = [
    (0, [0x1F, 0x8B, 0x08], "is compressed by gzip", "unpack it (gunzip, tar -x) and give the file inside"),
    (257, Array("ustar".utf8), "is a tar archive", "unpack it (tar -x) and give the file inside"),
    (0, [0x89, 0x48, 0x44, 0x46], "is an HDF5 file", "convert it to safetensors or .pth"),
    (
      0, Array("version https://git-lfs".utf8), "is a pointer of Git LFS, not the file itself",
      "fetch it with git lfs pull"
    ),
    (0, [0x28], "is a pickle of protocol 0 or 1", "load it and save it again with torch.save"),
  ]

  package init(_ file: Safetensors) {
    self.init(
      validated: file.path, .safetensors, metadata: file.metadata, wrappers: [],
      entries: file.entries.map { Entry(name: $0.name, tensor: file.view(of: $0)) })
  }

  private init(
    validated path: String, _ format: Format, metadata: [String: String], wrappers: [String], entries: [Entry]
  ) {
    self.path = path
    self.format = format
    self.metadata = metadata
    self.wrappers = wrappers
    self.entries = entries
    indices = Dictionary(entries.enumerated().map { ($1.name, $0) }) { first, _ in first }
  }

  package subscript(name: String) -> Entry? { indices[name].map { entries[$0] } }

  /// What the weights were trained with, if the file says it.
  ///
  /// - Throws: `WeightsError` if it is none that this version knows.
  package var normalization: Normalization? {
    get throws {
      guard format == .safetensors, let text = metadata[ModelFile.normalizationKey] else { return nil }
      guard let normalization = Normalization(rawValue: text) else {
        throw WeightsError(
          path,
          .unsupported(
            "was trained with the normalization \(text), which this version does not know",
            remedy: "use the version that wrote it"))
      }
      return normalization
    }
  }

  /// - Throws: `WeightsError` that names the first of these tensors with a number that is infinite or not a number.
  static func requireFinite(_ entries: some Sequence<Entry>, of path: String) throws {
    let damaged = entries.lazy.map { ($0.name, $0.tensor.nonFiniteCount) }.filter { $0.1 > 0 }
    var iterator = damaged.makeIterator()
    guard let (name, count) = iterator.next() else { return }
    throw WeightsError(
      path, .notFinite(name, values: count, otherTensors: IteratorSequence(iterator).count { _ in true }))
  }
}

// MARK: - Pickles

extension StateDict {
  private static func paddle(_ file: MappedFile) throws -> StateDict {
    let pickle: Pickle
    do {
      pickle = try PickleReader.read(file.bytes)
    } catch {
      throw WeightsError(file.path, .damaged("in its pickle, \(error.what) at byte \(error.position)"))
    }
    let tensors = PickledTensors(pickle, path: file.path, owner: file) { _ in
      throw WeightsError(
        file.path,
        .unsupported("is a part of a PyTorch archive, without the numbers", remedy: "give the whole .pth file"))
    }
    return try StateDict(.paddle, tensors, root: pickle.root, fileBytes: file.bytes.count)
  }

  /// Keys under which training programs keep the weights, the best ones first: moving averages are what they evaluate.
  private static let wrapperKeys = [
    "state_dict_ema", "model_ema", "ema_state_dict", "ema", "teacher", "state_dict", "model_state_dict", "model_state",
    "model", "network", "net", "weights", "params", "module", "backbone", "student",
  ]
  private static let mostWrappers = 8
  /// Bytes of a tensor's name; those of networks have below 100.
  static let longestName = 300

  /// The tensors in the dictionary `root`, or in the innermost of the wrappers around them.
  ///
  /// - Parameter fileBytes: caps what overlapping views may claim.
  init(_ format: Format, _ tensors: PickledTensors, root: Pickle.Value, fileBytes: Int) throws {
    var tensors = tensors
    let pickle = tensors.pickle
    var (wrappers, metadata): ([String], [String: String]) = ([], [:])
    guard var pairs = pickle.pairs(root) else {
      throw WeightsError(
        tensors.path,
        .unsupported(
          pickle.call(root).map { "holds an object of the class \($0.name), not a state_dict" }
            ?? "holds no dictionary of tensors", remedy: "save model.state_dict() and give that file"))
    }
    while wrappers.count < Self.mostWrappers {
      for (key, value) in pairs where metadata.count < 20 {
        if let key = pickle.text(key, limit: 40), let text = Self.scalar(value, pickle) {
          metadata[key] = text
        }
      }
      let inner = Self.wrapperKeys.lazy.compactMap { wanted in
        pairs.last { pickle.isText($0.key, wanted) }.flatMap { pair in pickle.pairs(pair.value).map { (wanted, $0) } }
      }.first { !$0.1.isEmpty }
      guard let inner else { break }
      wrappers.append(inner.0)
      pairs = inner.1
    }
    var entries: [Entry] = []
    var names = Set<String>()
    var bytes = 0
    let limit = 8 * fileBytes + 1 << 26
    for (key, value) in pairs {
      guard tensors.isTensor(value), let name = pickle.text(key, limit: Self.longestName),
        let tensor = try tensors.tensor(value, name: name)
      else { continue }
      guard names.insert(name).inserted else { throw WeightsError(tensors.path, .duplicateName(name)) }
      guard entries.count < Self.mostEntries else {
        throw WeightsError(tensors.path, .damaged("it holds more than \(Self.mostEntries) tensors"))
      }
      bytes += tensor.distinctCount * tensor.type.size
      guard bytes <= limit else {
        throw WeightsError(tensors.path, .damaged("its tensors claim far more than its \(fileBytes) bytes"))
      }
      entries.append(Entry(name: name, tensor: tensor))
    }
    guard !entries.isEmpty else {
      let keys = pairs.prefix(100).compactMap { pickle.text($0.key).map { String($0.prefix(60)) } }.abbreviated()
      throw WeightsError(
        tensors.path,
        .unsupported(
          "holds no tensors under a known name" + (keys.isEmpty ? "" : " (its keys: \(keys.joined(separator: ", ")))"),
          remedy: "save model.state_dict() and give that file"))
    }
    self.init(validated: tensors.path, format, metadata: metadata, wrappers: wrappers, entries: entries)
  }

  private static func scalar(_ value: Pickle.Value, _ pickle: Pickle) -> String? {
    switch value {
    case .boolean(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .float(let value): "\(value)"
    case .text(let range) where range.count <= 60:
      pickle.text(value).flatMap { text in
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } ? text : nil
      }
    default: nil
    }
  }
}
