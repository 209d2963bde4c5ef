import System

/// A file of `torch.save` since PyTorch 1.6: a zip archive of a pickle and one entry for each storage.
///
/// Source: PyTorch's torch/serialization.py, `_save`, and caffe2/serialize/inline_container.cc.
struct PyTorchArchive {
  private let file: MappedFile
  private let archive: ZipArchive
  /// The folder of the entries in the archive, with its slash; files get renamed, and it does not.
  private let folder: String

  init(_ file: MappedFile) throws {
    self.file = file
    archive = try ZipArchive(file)
    let pickle = "data.pkl"
    guard let entry = archive.entries.first(where: { $0.name == pickle || $0.name.hasSuffix("/" + pickle) }) else {
      let names = archive.entries.map(\.name).abbreviated().joined(separator: ", ")
      throw WeightsError(
        file.path,
        .unsupported(
          "is a zip archive without PyTorch's data.pkl (it holds \(names.isEmpty ? "nothing" : names))",
          remedy: "give a file of torch.save"))
    }
    folder = String(entry.name.dropLast(pickle.count))
    guard archive[folder + "constants.pkl"] == nil else {
      throw WeightsError(
        file.path,
        .unsupported(
          "is a TorchScript program, not a state_dict",
          remedy: "save torch.jit.load(FILE).state_dict() with torch.save and give that file"))
    }
  }

  func stateDict() throws -> StateDict {
    // Numbers hardly compress; what inflates to far more was made to fill the memory.
    var room = 16 * file.bytes.count + 1 << 22
    func read(_ name: String) throws -> FileBytes? {
      guard let entry = archive[folder + name] else { return nil }
      let data = try archive.read(entry, limit: room)
      if entry.isDeflated { room -= entry.size }
      return data
    }
    guard let data = try read("data.pkl") else { throw WeightsError(file.path, .damaged("data.pkl is missing")) }
    let order = try read("byteorder").map { String(decoding: $0.bytes, as: UTF8.self) }
    let pickle: Pickle
    do {
      pickle = try PickleReader.read(data.bytes)
    } catch {
      throw WeightsError(file.path, .damaged("in its data.pkl, \(error.what) at byte \(error.position)"))
    }
    var storages: [String: FileBytes] = [:]
    let path = file.path
    let tensors = PickledTensors(pickle, path: path, owner: data.owner) { id in
      if let known = storages[id.key] { return PickledTensors.Storage(data: known, isSwapped: order == "big") }
      guard let bytes = try read("data/" + id.key) else {
        throw WeightsError(path, .damaged("the entry data/\(id.key.prefix(60)) is missing"))
      }
      storages[id.key] = bytes
      return PickledTensors.Storage(data: bytes, isSwapped: order == "big")
    }
    return try withExtendedLifetime(data.owner) {
      try StateDict(.zip, tensors, root: pickle.root, fileBytes: file.bytes.count)
    }
  }
}
