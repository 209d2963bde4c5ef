import System

/// A file of `torch.save` before PyTorch 1.6: five pickles, of which the fourth is the object, then the storages.
///
/// Source: PyTorch's torch/serialization.py, `_legacy_save` and `_legacy_load`.
struct LegacyFile {
  /// A pickle of the number 0x1950A86A20F9469CFC6C.
  static let signature: [UInt8] = [
    0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]

  private let file: MappedFile

  init(_ file: MappedFile) { self.file = file }

  private func damaged(_ what: String) -> WeightsError { WeightsError(file.path, .damaged(what)) }

  func stateDict() throws -> StateDict {
    var position = 0
    func next(_ what: String) throws -> Pickle {
      do {
        let pickle = try PickleReader.read(UnsafeRawBufferPointer(rebasing: file.bytes[position...]))
        position += pickle.count
        return pickle
      } catch {
        throw damaged("in the pickle of its \(what), \(error.what) at byte \(position + error.position)")
      }
    }
    _ = try next("signature")
    let version = try next("version")
    guard version.integer(version.root) == 1001 else { throw damaged("its version is not 1001") }
    // Storages are little-endian whatever it says (torch/csrc/serialization.cpp).
    _ = try next("system")
    let object = try next("object")
    let keys = try next("keys")
    guard let names = keys.elements(keys.root) else { throw damaged("its keys are no list") }

    let storages = try storages(
      names.lazy.map { keys.text($0) }, at: position, types: Self.types(in: object))
    let path = file.path
    let tensors = PickledTensors(object, path: path, owner: file) { id in
      guard let bytes = storages[id.key] else {
        throw WeightsError(path, .damaged("the storage \(id.key.prefix(60)) is missing"))
      }
      return PickledTensors.Storage(data: bytes, isSwapped: false)
    }
    return try StateDict(.legacy, tensors, root: object.root, fileBytes: file.bytes.count)
  }

  /// The element type of each storage, from every persistent id.
  private static func types(in object: Pickle) -> [String: ElementType] {
    var types: [String: ElementType] = [:]
    for index in object.nodes.indices where object.nodes[index].kind == .persistent {
      if let id = PickledTensors.storageID(.node(index), in: object) { types[id.key] = id.type }
    }
    return types
  }

  /// The storages, in the order of their keys: the number of elements, then the elements.
  private func storages(
    _ keys: some Sequence<String?>, at start: Int, types: [String: ElementType]
  ) throws -> [String: FileBytes] {
    var position = start
    var storages: [String: FileBytes] = [:]
    for key in keys {
      guard let key, let type = types[key] else {
        throw damaged("the storage \(key.map { String($0.prefix(60)) } ?? "without a name") has no known type")
      }
      guard position <= file.bytes.count - 8 else { throw damaged("it ends before the storage \(key.prefix(60))") }
      let count = file.bytes.loadUnaligned(fromByteOffset: position, as: Int64.self)
      position += 8
      guard count >= 0, count <= (file.bytes.count - position) / type.size else {
        throw damaged("it ends in the storage \(key.prefix(60))")
      }
      let end = position + Int(count) * type.size
      storages[key] = FileBytes(UnsafeRawBufferPointer(rebasing: file.bytes[position..<end]), owner: file)
      position = end
    }
    return storages
  }
}
