import Foundation
import Layers
import System
import Tensors

/// A valid checkpoint: complete, and every file matches its checksum.
///
/// It is a directory `step-00000123` with `model.safetensors` and `momentum.safetensors` (named and laid out as in
/// PyTorch), `state.json` and the manifest `checksums`; with an average of the weights, also `ema.safetensors`.
package struct Checkpoint: Sendable {
  package let folder: String
  /// Global steps done when it was written, from the name of the directory.
  package let step: Int

  private let model: Safetensors
  private let momentum: Safetensors
  private let average: Safetensors?
  private let stateFile: MappedFile

  /// Opens the checkpoint in `folder` and verifies every byte of it.
  ///
  /// - Throws: `WeightsError` or `FileError` that names the directory or file and what is wrong with it.
  package init(folder: String) throws {
    guard let step = Self.step(ofFolder: FileSystem.name(of: folder)) else { throw WeightsError(folder, .noCheckpoint) }
    self.folder = folder
    self.step = step
    let manifest = try CheckpointManifest(of: folder)
    // The mappings that are verified here are the ones that are read later.
    model = try Safetensors(Self.verified(manifest.model, in: folder))
    momentum = try Safetensors(Self.verified(manifest.momentum, in: folder))
    stateFile = try Self.verified(manifest.state, in: folder)
    average = try manifest.average.map { try Safetensors(Self.verified($0, in: folder)) }
  }

  private static func verified(_ expected: CheckpointManifest.File, in folder: String) throws -> MappedFile {
    let file = try MappedFile(folder + "/" + expected.name)
    guard file.bytes.count == expected.count, XXH64.hash(file.bytes) == expected.checksum else {
      throw WeightsError(folder, .wrongChecksum(expected.name))
    }
    return file
  }

  /// Refuses a checkpoint from which no run can continue: earlier versions saved models that had diverged.
  ///
  /// - Throws: `WeightsError` that names the first tensor with a number that is infinite or not a number.
  package func requireFinite() throws {
    for file in [model, momentum, average].compactMap(\.self) {
      try StateDict.requireFinite(StateDict(file).entries, of: file.path)
    }
  }

  /// The state of the run that was given to `CheckpointStore.save`.
  ///
  /// - Parameter validate: throws what is wrong with a state.
  /// - Throws: `WeightsError` if the state cannot be decoded or is not valid.
  package func state<State: Decodable>(
    as type: State.Type, validate: (State) throws -> Void = { _ in }
  ) throws -> State {
    do {
      let state = try JSON.decode(type, from: Data(stateFile.bytes))
      try validate(state)
      return state
    } catch {
      throw WeightsError(stateFile.path, .unreadableState("\(error)"))
    }
  }

  /// Restores the network and the momentum of its optimizer, bit for bit.
  ///
  /// - Parameter velocities: as long as `store.values`, with the same offsets.
  /// - Throws: `WeightsError` if the checkpoint is of another network; nothing is changed then.
  package func restore(_ store: ParameterStore, velocities: FloatSlice) throws {
    let momentumPlan = try ModelFile.planMomentum(momentum, for: store, into: velocities)
    try ModelFile.read(model, into: store)
    momentumPlan.apply()
  }
}

extension Checkpoint {
  /// Whether it holds an average of the weights.
  package var hasAverage: Bool { average != nil }

  /// Restores the average of the weights, if it holds one.
  ///
  /// - Throws: `WeightsError` if it is of another network; nothing is changed then.
  package func restoreAverage(_ store: ParameterStore) throws {
    if let average { try ModelFile.read(average, into: store) }
  }
}

// MARK: - Finding checkpoints

extension Checkpoint {
  private static let prefix = "step-"

  static func folderName(step: Int) -> String { prefix + step.zeroPadded(to: 8) }

  /// The step in a name that `folderName` made, nil for any other name.
  static func step(ofFolder name: String) -> Int? {
    guard let step = Int(name.dropFirst(prefix.count)), step >= 0, folderName(step: step) == name else { return nil }
    return step
  }

  /// The checkpoint that `--resume auto` continues from: the newest valid one with finite values in a directory of
  /// checkpoints, that is, the one written last, whatever its step.
  ///
  /// - Parameter skipped: called for each of the others that is newer; the error names it and says why.
  package static func latestValid(in folder: String, skipped: (any Error) -> Void = { _ in }) -> Checkpoint? {
    for candidate in CheckpointManifest.newestFirst(in: folder, unreadable: skipped) {
      do {
        let checkpoint = try Checkpoint(folder: folder + "/" + candidate.name)
        try checkpoint.requireFinite()
        return checkpoint
      } catch {
        skipped(error)
      }
    }
    return nil
  }

  /// The checkpoint that a path given by a user refers to: a checkpoint itself, or else the newest valid one in a
  /// directory of checkpoints, in the directory of a run, or in the results directory that holds a single run.
  ///
  /// - Throws: `WeightsError` if there is none, or if the path holds the checkpoints of several runs.
  package static func find(at path: String, skipped: (any Error) -> Void = { _ in }) throws -> Checkpoint {
    if step(ofFolder: FileSystem.name(of: path)) != nil {
      if !FileSystem.exists(path) {
        throw WeightsError(path, .missingCheckpoint(instead: newest(in: FileSystem.parent(of: path))))
      }
      return try Checkpoint(folder: path)
    }
    let runs = FileSystem.names(in: path).map { "\(path)/\($0)/checkpoints" }.filter(holdsCheckpoints)
    let folders = [path, path + "/checkpoints"].filter(holdsCheckpoints) + runs
    guard folders.count < 2 else { throw WeightsError(path, .severalFolders(folders)) }
    guard let folder = folders.first else { throw WeightsError(path, .noCheckpoint) }
    var firstError: (any Error)?
    let checkpoint = latestValid(in: folder) { error in
      firstError = firstError ?? error
      skipped(error)
    }
    if let checkpoint { return checkpoint }
    throw firstError ?? WeightsError(path, .noCheckpoint)
  }

  private static func newest(in folder: String) -> String? { CheckpointManifest.newestFirst(in: folder).first?.name }

  /// The runs in a results folder that have checkpoints, with the step of the newest.
  package static func runs(in folder: String) -> [(folder: String, step: Int)] {
    FileSystem.names(in: folder).compactMap { name in
      let run = folder + "/" + name
      guard let newest = CheckpointManifest.newestFirst(in: run + "/checkpoints").first?.name else { return nil }
      return step(ofFolder: newest).map { (run, $0) }
    }
  }

  private static func holdsCheckpoints(_ folder: String) -> Bool {
    FileSystem.names(in: folder).contains { step(ofFolder: $0) != nil }
  }
}
