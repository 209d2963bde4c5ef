import Glibc
import Images
import System

/// An image to predict.
package struct InputImage: Codable, Sendable, Equatable {
  package let path: String
  /// The path in the output folder of the files that are written for it, without their suffix; each image has its own.
  package let name: String

  /// The end of its name in Cityscapes is no part of `name`.
  static let cityscapesEnding = "_leftImg8bit"
}

/// The images that a command line names: files, folders, lists (`@FILE`) and patterns (`*.png`).
package struct InputImages {
  private struct Found {
    let path: String
    /// The folder from which its name is taken.
    let root: String
    /// Of the same file under whatever path.
    let canonical: String
  }

  /// The folders for results, which are left out of the images.
  private let outputs: [String]
  private var found: [Found] = []
  /// As bytes: two names that Unicode takes for the same text are two files.
  private var seen: Set<[CChar]> = []
  /// The files that links among the images lead to.
  private var linked: Set<[CChar]> = []

  /// - Parameters:
  ///   - words: of the command line. A folder stands for the PNG and JPEG files in it and in its folders, sorted, numbers in
  ///     names by their value; `@FILE` for a line each of FILE.
  ///   - output: the folder to write to; left out when it lies in one of `words`.
  ///   - suffixes: of the files to write for each image.
  ///   - export: the folder of the benchmark server's files, if they are asked for.
  /// - Returns: each image once. Their names are their paths below the folder that holds all of them.
  /// - Throws: `InferenceError` if a word names nothing, or a result would overwrite an image.
  package static func find(
    _ words: [String], output: String, suffixes: [String], export: String? = nil
  ) throws -> [InputImage] {
    var images = InputImages(outputs: [output, export].compactMap(\.self))
    for word in words { try images.expand(word) }
    guard !images.found.isEmpty else { throw InferenceError.noImages(words.joined(separator: " ")) }
    let named = images.named()
    for suffix in suffixes { try images.requireSafe(named, in: output) { $0 + suffix } }
    if let export {
      try images.requireSafe(named, in: export) { PredictionFolder.fileName($0) }
    }
    return named
  }

  private init(outputs: [String]) { self.outputs = outputs.map(FileSystem.canonical) }

  // MARK: - Finding

  private mutating func expand(_ word: String) throws {
    if FileSystem.isDirectory(word, followingLinks: true) {
      try addFolder(word)
    } else if FileSystem.exists(word) {
      add(word)
    } else if word.hasPrefix("@") {
      try addList(String(word.dropFirst()))
    } else if word.contains(where: { "*?[".contains($0) }) {
      let matches = Self.matches(of: word)
      let images = matches.filter { FileSystem.isDirectory($0, followingLinks: true) || Photograph.isNamed($0) }
      guard !images.isEmpty else { throw InferenceError.noImages(word) }
      for match in images {
        if FileSystem.isDirectory(match, followingLinks: true) { try addFolder(match) } else { add(match) }
      }
    } else {
      throw InferenceError.noSuchInput(word)
    }
  }

  private mutating func addFolder(_ folder: String) throws {
    guard !outputs.contains(FileSystem.canonical(folder)) else { throw InferenceError.outputIsInput(folder) }
    guard try walk(folder, root: folder) else { throw InferenceError.noImages(folder) }
  }

  /// Symbolic links to folders are not followed, so that there is no circle.
  ///
  /// - Returns: whether there are images.
  private mutating func walk(_ folder: String, root: String) throws -> Bool {
    var hasImages = false
    let names = try FileSystem.list(folder).sorted { $0.naturallyPrecedes($1) }
    for name in names where !name.hasPrefix(".") {
      let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
      if FileSystem.isDirectory(path) {
        if !outputs.contains(FileSystem.canonical(path)), try walk(path, root: root) { hasImages = true }
      } else if Photograph.isNamed(name) {
        add(path, root: root)
        hasImages = true
      }
    }
    return hasImages
  }

  private mutating func addList(_ path: String) throws {
    let file = try MappedFile(path)
    defer { withExtendedLifetime(file) {} }
    for line in file.bytes.split(separator: 0x0A) {
      var text = String(pathBytes: line)
      if text.hasSuffix("\r") { text.removeLast() }
      guard !text.isEmpty else { continue }
      guard line.count <= Int(PATH_MAX), !line.contains(0) else { throw InferenceError.noList(path) }
      // A file that is missing is reported like one that is damaged, and the others are predicted.
      if FileSystem.isDirectory(text, followingLinks: true) { try addFolder(text) } else { add(text) }
    }
  }

  /// - Parameter root: its own folder if nil.
  private mutating func add(_ path: String, root: String? = nil) {
    let parent = FileSystem.parent(of: path)
    let canonical = FileSystem.target(path)
    guard seen.insert(canonical.pathBytes).inserted else { return }
    linked.insert(FileSystem.canonical(path).pathBytes)
    found.append(Found(path: path, root: FileSystem.canonical(root ?? parent), canonical: canonical))
  }

  /// The paths that match a pattern, sorted as those of a folder.
  private static func matches(of pattern: String) -> [String] {
    var result = glob_t()
    defer { globfree(&result) }
    guard glob(pattern.pathBytes, 0, nil, &result) == 0 else { return [] }
    return (0..<Int(result.gl_pathc)).compactMap { result.gl_pathv[$0].map { String(path: $0) } }
      .sorted { $0.naturallyPrecedes($1) }
  }

  // MARK: - Names

  private func named() -> [InputImage] {
    var common = found.first.map { $0.root.split(separator: "/") } ?? []
    for image in found {
      let root = image.root.split(separator: "/")
      common = zip(common, root).prefix { $0 == $1 }.map(\.0)
    }
    var taken: Set<String> = []
    return found.map { image in
      var components = image.canonical.split(separator: "/").dropFirst(common.count).map(String.init)
      let file = components.removeLast()
      let (stem, ending) = Self.split(file)
      func name(_ last: String) -> String { (components + [last]).joined(separator: "/") }
      // Two files that differ in their ending alone: the second one keeps it.
      var unique = name(stem)
      if taken.contains(unique) { unique = name("\(stem)_\(ending)") }
      while !taken.insert(unique).inserted { unique += "_" }
      return InputImage(path: image.path, name: unique)
    }
  }

  /// "town_000000_000019_leftImg8bit.png" → ("town_000000_000019", "png")
  private static func split(_ file: String) -> (stem: String, ending: String) {
    guard Photograph.isNamed(file), let dot = file.lastIndex(of: "."), dot > file.startIndex else { return (file, "") }
    var stem = String(file[..<dot])
    if stem.hasSuffix(InputImage.cityscapesEnding), stem != InputImage.cityscapesEnding {
      stem.removeLast(InputImage.cityscapesEnding.count)
    }
    return (stem, String(file[file.index(after: dot)...]).lowercased())
  }

  /// Checks that no result replaces an image.
  ///
  /// - Parameter file: the path in `folder` of the result for an image, by its name.
  private func requireSafe(_ images: [InputImage], in folder: String, file: (String) -> String) throws {
    for image in images {
      let result = FileSystem.target(FileSystem.join(folder, file(image.name))).pathBytes
      guard seen.contains(result) || linked.contains(result) else { continue }
      throw InferenceError.overwritesInput(result: "\(folder)/\(file(image.name))", image: image.path)
    }
  }
}
