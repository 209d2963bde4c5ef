import Foundation
import Layers
import Tensors

/// A whole checkpoint, found to match its checksums.
///
/// It is a folder `step-00000123` with `model.safetensors` and `momentum.safetensors` (named and laid out as in
/// PyTorch), `state.json` and `checksums`.
package struct Checkpoint: Sendable {
  package let folder: String
  /// Global steps done when it was written, from the name of the folder.
  package let step: Int
  /// Whether it was the best of its run when it was written.
  package let isBest: Bool
  /// Rises with every checkpoint of a folder.
  let generation: Int

  private let model: Safetensors
  private let momentum: Safetensors
  private let stateFile: MappedFile

  /// Opens the checkpoint in `folder` and verifies every byte of it.
  ///
  /// - Throws: `WeightsError` that names the folder or file and what is wrong with it.
  package init(folder: String) throws {
    guard let step = Self.step(ofFolder: FileSystem.name(of: folder)) else { throw WeightsError(folder, .noCheckpoint) }
    let manifest = try CheckpointManifest(of: folder)
    var files: [MappedFile] = []
    for expected in manifest.files {
      let file = try MappedFile(folder + "/" + expected.name)
      guard file.bytes.count == expected.count, Checksum.of(file.bytes) == expected.checksum else {
        throw WeightsError(folder, .wrongChecksum(expected.name))
      }
      files.append(file)
    }
    self.folder = folder
    self.step = step
    isBest = manifest.isBest
    generation = manifest.generation
    // What has just been verified is what is read later: the same mapping.
    model = try Safetensors(files[0])
    momentum = try Safetensors(files[1])
    stateFile = files[2]
  }

  /// What the caller gave `CheckpointStore.save` as the state of its run.
  package func state<State: Decodable>(as type: State.Type) throws -> State {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do {
      return try decoder.decode(type, from: Data(stateFile.bytes))
    } catch {
      throw WeightsError(stateFile.path, .unreadableState("\(error)"))
    }
  }

  /// Brings back the network and the velocities of its optimizer, bit for bit.
  ///
  /// - Parameter velocities: as long as `store.values`, with the same offsets.
  /// - Throws: `WeightsError` where the checkpoint is of another network; nothing is changed then.
  package func restore(_ store: ParameterStore, velocities: FloatSlice) throws {
    let momenta = try ModelFile.planMomentum(momentum, for: store, into: velocities)
    try ModelFile.read(model, into: store)
    momenta.carryOut()
  }
}

// MARK: - Finding checkpoints

extension Checkpoint {
  private static let prefix = "step-"

  static func folderName(step: Int) -> String {
    let digits = String(step)
    return prefix + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  /// The step in a name that `folderName` made, nil for any other name.
  static func step(ofFolder name: String) -> Int? {
    guard let step = Int(name.dropFirst(prefix.count)), step >= 0, folderName(step: step) == name else { return nil }
    return step
  }

  /// The checkpoint that was written last and is whole, of those in a folder of checkpoints.
  ///
  /// - Parameter skipped: told of each damaged checkpoint that was passed over; the error names it and says why.
  package static func latestValid(in folder: String, skipped: (any Error) -> Void = { _ in }) -> Checkpoint? {
    var candidates: [(generation: Int, folder: String)] = []
    for name in FileSystem.names(in: folder) where step(ofFolder: name) != nil {
      let path = folder + "/" + name
      guard FileSystem.isFolder(path) else { continue }
      do {
        candidates.append((try CheckpointManifest(of: path).generation, path))
      } catch {
        skipped(error)
      }
    }
    for candidate in candidates.sorted(by: { ($0.generation, $0.folder) > ($1.generation, $1.folder) }) {
      do {
        return try Checkpoint(folder: candidate.folder)
      } catch {
        skipped(error)
      }
    }
    return nil
  }

  /// The checkpoint that a user means by a path: a checkpoint itself, or else the newest whole one in a folder of
  /// checkpoints, in the folder of a run or in the results folder that holds a single run.
  ///
  /// - Throws: `WeightsError` where there is none, or where the path holds the checkpoints of several runs.
  package static func find(at path: String, skipped: (any Error) -> Void = { _ in }) throws -> Checkpoint {
    if step(ofFolder: FileSystem.name(of: path)) != nil { return try Checkpoint(folder: path) }
    let runs = FileSystem.names(in: path).map { "\(path)/\($0)/checkpoints" }.filter(holdsCheckpoints)
    let folders = [path, path + "/checkpoints"].filter(holdsCheckpoints) + runs
    guard folders.count < 2 else { throw WeightsError(path, .severalFolders(folders)) }
    guard let folder = folders.first, let checkpoint = latestValid(in: folder, skipped: skipped) else {
      throw WeightsError(path, .noCheckpoint)
    }
    return checkpoint
  }

  private static func holdsCheckpoints(_ folder: String) -> Bool {
    FileSystem.names(in: folder).contains { step(ofFolder: $0) != nil }
  }
}
