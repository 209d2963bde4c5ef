import Foundation
import Jobs
import Testing

/// The tests start processes; they run one after another.
@Suite("The command line", .serialized)
enum CommandLine {}

/// A temporary folder for one test, in which it runs the program.
final class Workplace {
  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "/gscnn-command-line-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Runs `gscnn` in the folder.
  ///
  /// - Parameters:
  ///   - ranks: `nil` to start the process without `mpirun`.
  ///   - fileLimit: the maximum file size in units of 512 bytes, to imitate a full disk.
  func gscnn(
    _ words: String..., ranks: Int? = nil, environment: [String: String] = [:], fileLimit: Int? = nil
  ) throws -> Job {
    try gscnn(words, ranks: ranks, environment: environment, fileLimit: fileLimit)
  }

  func gscnn(
    _ words: [String], ranks: Int? = nil, environment: [String: String] = [:], fileLimit: Int? = nil
  ) throws -> Job {
    let limit = fileLimit.map { ["sh", "-c", "ulimit -f \($0); exec \"$@\"", "sh"] } ?? []
    return try Job.run(
      "gscnn", words, ranks: ranks, under: ["env", "-C", folder] + limit, environment: environment, mpirun: ["--quiet"])
  }

  /// Makes small synthetic streets in `data`: 48×32 pixels.
  func makeStreets(_ name: String = "data", train: Int = 4, val: Int = 2, test: Int = 1, width: Int = 48) throws {
    let job = try gscnn(
      "synthesize", "--data-path", name, "--train", "\(train)", "--val", "\(val)", "--test", "\(test)", "--height",
      "32", "--width", "\(width)")
    try #require(job.status == 0, "\(job.errors)")
  }

  static func image(_ split: String = "train", _ index: Int = 0, in data: String = "data") -> String {
    "\(data)/leftImg8bit/\(split)/synthetica/synthetica_00000\(index)_000019_leftImg8bit.png"
  }

  static func labelIds(_ split: String = "train", _ index: Int = 0, in data: String = "data") -> String {
    "\(data)/gtFine/\(split)/synthetica/synthetica_00000\(index)_000019_gtFine_labelIds.png"
  }

  /// A training with two tiny crops per step.
  static let training = training(to: "results")

  static func training(to folder: String) -> [String] {
    ["train", "--data-path", "data", "--save-path", folder, "--crop-h", "32", "--crop-w", "32", "--batch-size", "2"]
  }

  /// The model of `withModel`.
  static let model = "results/resnet50_32_32/checkpoints/step-00000001/model.safetensors"
  static let evaluate = ["evaluate", "--data-path", "data", "--model-weight", model, "--threads", "1"]

  /// A folder with four training, four validation and some test images, and `model`, the result of one step.
  static func withModel(test: Int = 1) throws -> Workplace {
    let work = try Workplace()
    try work.makeStreets(val: 4, test: test)
    let job = try work.gscnn(training + ["--stop-after", "1", "--threads", "1"])
    try #require(job.status == 0, "\(job.errors)")
    return work
  }

  // MARK: - Files, by paths in the folder

  func place(_ name: String) -> String { folder + "/" + name }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: place(name)) }

  func text(_ name: String) throws -> String { try String(contentsOfFile: place(name), encoding: .utf8) }

  func write(_ data: Data, to name: String) throws { try data.write(to: URL(fileURLWithPath: place(name))) }

  func copy(_ source: String, to target: String) throws {
    try write(Data(contentsOf: URL(fileURLWithPath: source.hasPrefix("/") ? source : place(source))), to: target)
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: place(name)) }

  /// Truncates a file to its first half.
  func truncate(_ name: String) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: place(name)))
    try write(data.prefix(data.count / 2), to: name)
  }

  /// Damage that only reading all of an image shows.
  func damage(_ name: String) throws { _ = try ImageDamage(place(name)) }

  func names(in name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: place(name)).sorted()
  }

  static func fixture(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/" + name).path
  }

  /// The contents of every file; of large ones size, inode and modification time.
  func contents() throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for case let name as String in FileManager.default.enumerator(atPath: folder) ?? .init() {
      var status = stat()
      guard lstat(place(name), &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      contents[name] =
        status.st_size < 1 << 20
        ? try Data(contentsOf: URL(fileURLWithPath: place(name)))
        : Data("\(status.st_size) \(status.st_ino) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec)".utf8)
    }
    return contents
  }
}

extension Workplace {
  /// Expects a call to fail with one line on standard error and no standard output, and to change no file.
  ///
  /// - Parameters:
  ///   - parts: texts that the line contains in this order: the option or file, and what to do.
  func expectRefusal(
    _ words: [String], ranks: Int? = nil, status: Int32, saying parts: String..., fileLimit: Int? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try contents()
    let job = try gscnn(words, ranks: ranks, fileLimit: fileLimit)
    #expect(job.status == status, sourceLocation: sourceLocation)
    #expect(job.output == [], sourceLocation: sourceLocation)
    #expect(job.errors.count == 1, "\(job.errors)", sourceLocation: sourceLocation)
    let line = job.errors.last ?? ""
    #expect(line.hasPrefix("gscnn: "), sourceLocation: sourceLocation)
    var rest = line[...]
    for part in parts {
      let place = rest.range(of: part)
      #expect(place != nil, "“\(line)” does not say “\(part)” where it should", sourceLocation: sourceLocation)
      rest = rest[(place?.upperBound ?? rest.startIndex)...]
    }
    let after = try contents()
    for (name, data) in before {
      #expect(after[name] == data, "\(name) was changed", sourceLocation: sourceLocation)
    }
  }
}
