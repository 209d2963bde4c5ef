import System
import Tensors

extension ModelFile {
  /// The elements that repeated dimensions may add to a tensor, and to all: more than any network has.
  private static let mostRepeated = (inTensor: 1 << 24, inFile: 1 << 28)

  /// Writes what a file holds as safetensors, dense and in the types that it has. Names of the network and of its backbone
  /// under those of other libraries are translated, a backbone alone to timm's names; others are kept.
  ///
  /// - Parameter normalization: to be stored with the weights; nil: as in the file.
  /// - Returns: how many tensors were written, and whose names the file used.
  /// - Throws: `WeightsError` if two tensors would have the same name, `FileError` if nothing can be written.
  @discardableResult
  package static func convert(
    _ file: StateDict, to path: String, normalization: Normalization?, in fileSystem: FileSystem = FileSystem()
  ) throws -> (count: Int, naming: String?) {
    let match = try NameMatch(file)
    let isBackbone = match?.entries.keys.allSatisfy { $0.hasPrefix(backbonePrefix) } ?? false
    var repeated = 0
    var names = Set<String>()
    let records = try file.entries.map { entry in
      let tensor = entry.tensor
      let ours = match?.translations[entry.name] ?? entry.name
      let name = isBackbone ? withoutBackbonePrefix(ours) : ours
      guard name != SafetensorsHeader.metadataKey else {
        throw WeightsError(
          file.path,
          .unsupported(
            "holds a tensor named \(name), a name that safetensors reserves", remedy: "rename it and save it again"))
      }
      guard names.insert(name).inserted else { throw WeightsError(file.path, .duplicateName(name)) }
      let added = tensor.count - tensor.distinctCount
      repeated += min(added, mostRepeated.inFile)
      guard added <= mostRepeated.inTensor, repeated <= mostRepeated.inFile else {
        throw WeightsError(
          file.path,
          .unsupported(
            "repeats a few numbers of \(entry.name) to the shape \(tensor.shape)",
            remedy: "give a file that holds its numbers"))
      }
      return SafetensorsWriter.TensorRecord(name, tensor.type, tensor.shape) { tensor.copyBytes(to: $0) }
    }
    var metadata = file.format == .safetensors ? file.metadata : [:]
    metadata.merge(formatMetadata) { $1 }
    if let normalization { metadata.merge(Self.metadata(normalization)) { $1 } }
    try SafetensorsWriter.write(records, metadata: metadata, to: path, in: fileSystem)
    return (records.count, match?.title)
  }

  private static func withoutBackbonePrefix(_ name: String) -> String {
    name.hasPrefix(backbonePrefix) ? String(name.dropFirst(backbonePrefix.count)) : name
  }
}
