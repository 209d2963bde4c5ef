import Glibc

/// The file `checksums` of a checkpoint: the mark by which a folder is known as one, written last.
///
///     gscnn checkpoint 1
///     serial 12
///     best no
///     9ae16a3b2f90404f 162595648 model.safetensors
///     …
///     d24ec4f1a98c6e5b checksums
///
/// Every file with its digest and length, then the digest of the lines above. A manifest is taken only if it would be
/// written in exactly the same bytes, so that no change of it goes unseen.
struct CheckpointManifest: Equatable, Sendable {
  struct File: Equatable, Sendable {
    let name: String
    let count: Int
    let checksum: UInt64
  }

  static let name = "checksums"
  static let mark = "gscnn checkpoint 1\n"
  /// The files that a checkpoint consists of, besides the manifest.
  static let fileNames = ["model.safetensors", "momentum.safetensors", "state.json"]
  static let allNames = Set(fileNames + [name])

  /// Rises with every checkpoint of a folder: the newest is the one written last, whatever its step.
  let generation: Int
  /// Whether it was the best of its run when it was written.
  let isBest: Bool
  let files: [File]

  init(generation: Int, isBest: Bool, files: [File]) {
    self.generation = generation
    self.isBest = isBest
    self.files = files
  }

  /// Reads the manifest of the checkpoint in `folder`.
  init(of folder: String) throws {
    let file: MappedFile
    do {
      file = try MappedFile(folder + "/" + Self.name)
    } catch let error as WeightsError where error.problem == .refused("open it", errno: ENOENT) {
      throw WeightsError(folder, .notWhole("the file \(Self.name) is missing"))
    }
    // A manifest is a few lines; what is longer is none.
    guard file.bytes.count < 4096, let text = String(validating: file.bytes, as: UTF8.self), let parsed = Self(text),
      parsed.text.utf8.elementsEqual(file.bytes)
    else { throw WeightsError(folder, .wrongChecksum(Self.name)) }
    self = parsed
  }

  private init?(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 5 + Self.fileNames.count, let generation = Int(lines[1].dropFirst("serial ".count)) else {
      return nil
    }
    var files: [File] = []
    for (line, name) in zip(lines[3...], Self.fileNames) {
      let words = line.split(separator: " ")
      guard words.count == 3, let checksum = UInt64(words[0], radix: 16), let count = Int(words[1]) else { return nil }
      files.append(File(name: name, count: count, checksum: checksum))
    }
    self.init(generation: generation, isBest: lines[2] == "best yes", files: files)
  }

  var text: String {
    var text = Self.mark + "serial \(generation)\nbest \(isBest ? "yes" : "no")\n"
    for file in files { text += "\(Self.hexadecimal(file.checksum)) \(file.count) \(file.name)\n" }
    let own = Array(text.utf8).withUnsafeBytes(Checksum.of)
    return text + "\(Self.hexadecimal(own)) \(Self.name)\n"
  }

  private static func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
