import Glibc
import System

/// The manifest of a checkpoint, its file `checksums`, which is written last.
///
///     gscnn checkpoint 1
///     serial 12
///     best no
///     9ae16a3b2f90404f 162595648 model.safetensors
///     …
///     d24ec4f1a98c6e5b checksums
///
/// A run that averages its weights has a fourth file.
///
/// Each file with its XXH64 and length, then the XXH64 of the lines above. A manifest is accepted only if writing what
/// was read gives exactly the same bytes, so that every change of it is detected.
struct CheckpointManifest: Equatable, Sendable {
  struct File: Equatable, Sendable {
    let name: String
    let count: Int
    let checksum: UInt64
  }

  static let name = "checksums"
  /// The first line, which identifies the file.
  static let magic = "gscnn checkpoint 1\n"
  static let modelName = "model.safetensors"
  static let momentumName = "momentum.safetensors"
  static let stateName = "state.json"
  static let averageName = "ema.safetensors"
  static let allNames: Set = [name, modelName, momentumName, stateName, averageName]

  /// Increases with every checkpoint that is written to a directory. The file calls it "serial".
  let generation: Int
  /// Whether it was the best of its run when it was written.
  let isBest: Bool
  let model: File
  let momentum: File
  let state: File
  /// The average of the weights; nil without one.
  let average: File?

  init(generation: Int, isBest: Bool, model: File, momentum: File, state: File, average: File? = nil) {
    self.generation = generation
    self.isBest = isBest
    self.model = model
    self.momentum = momentum
    self.state = state
    self.average = average
  }

  /// Reads the manifest of the checkpoint in `folder`.
  init(of folder: String) throws {
    let file: MappedFile
    do {
      file = try MappedFile(folder + "/" + Self.name)
    } catch let error as FileError where error.problem == .failed(.open, errno: ENOENT) {
      throw WeightsError(folder, .incomplete("the file \(Self.name) is missing"))
    }
    // A manifest is a few lines; a longer file is not one.
    guard file.bytes.count < 4096, let text = String(validating: file.bytes, as: UTF8.self), let parsed = Self(text),
      parsed.text.utf8.elementsEqual(file.bytes)
    else { throw WeightsError(folder, .wrongChecksum(Self.name)) }
    self = parsed
  }

  private init?(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    func file(_ line: Int, _ name: String) -> File? {
      let words = lines[line].split(separator: " ")
      guard words.count == 3, let checksum = UInt64(words[0], radix: 16), let count = Int(words[1]) else { return nil }
      return File(name: name, count: count, checksum: checksum)
    }
    guard [8, 9].contains(lines.count), let generation = Int(lines[1].dropFirst("serial ".count)),
      // The next one is one more.
      generation < Int.max,
      let model = file(3, Self.modelName), let momentum = file(4, Self.momentumName),
      let state = file(5, Self.stateName)
    else { return nil }
    let average = lines.count == 9 ? file(6, Self.averageName) : nil
    self.init(
      generation: generation, isBest: lines[2] == "best yes", model: model, momentum: momentum, state: state,
      average: average)
  }

  var text: String {
    var text = Self.magic + "serial \(generation)\nbest \(isBest ? "yes" : "no")\n"
    for file in [model, momentum, state, average].compactMap(\.self) {
      text += "\(file.checksum.zeroPadded(to: 16, radix: 16)) \(file.count) \(file.name)\n"
    }
    let own = Array(text.utf8).withUnsafeBytes(XXH64.hash)
    return text + "\(own.zeroPadded(to: 16, radix: 16)) \(Self.name)\n"
  }
}

extension CheckpointManifest {
  /// The checkpoints in a directory whose manifest is valid, newest first.
  ///
  /// - Parameter unreadable: called for each of the others; the error names it and says why.
  static func newestFirst(
    in folder: String, unreadable: (any Error) -> Void = { _ in }
  ) -> [(name: String, manifest: CheckpointManifest)] {
    var checkpoints: [(name: String, manifest: CheckpointManifest)] = []
    for name in FileSystem.names(in: folder) where Checkpoint.step(ofFolder: name) != nil {
      guard FileSystem.isDirectory(folder + "/" + name) else { continue }
      do {
        checkpoints.append((name, try CheckpointManifest(of: folder + "/" + name)))
      } catch {
        unreadable(error)
      }
    }
    return checkpoints.sorted { ($0.manifest.generation, $0.name) > ($1.manifest.generation, $1.name) }
  }
}
