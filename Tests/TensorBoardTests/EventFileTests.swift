import Foundation
import Jobs
import Synchronization
import System
import TensorBoard
import Testing

@Suite("Event files")
struct EventFileTests {
  private func value(_ step: Int, _ tag: String = "a") -> Event {
    Event(wallTime: 9, step: step, .summary([.scalar(tag, Double(step))]))
  }

  /// The steps of the events with values, file by file.
  private func steps(in folder: String) throws -> [[Int]] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
      let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
      return file.withUnsafeBytes { bytes in
        EventRecords(bytes).map { Event.identity(of: $0.payload) }.filter { $0.tag != nil }.map(\.step)
      }
    }
  }

  @Test("A file appears with its first value, begins with version and session, and has the name that readers look for")
  func start() throws {
    let folder = try TestFolder()
    let file = EventFile(in: folder.place("run"), firstStep: 12, time: 1_700_000_000.5)
    try file.flush()
    #expect(!FileSystem.exists(folder.place("run")))
    file.add(value(12))
    try file.flush()
    let name = try #require(FileSystem.names(in: folder.place("run")).first)
    #expect(name.hasPrefix("events.out.tfevents.1700000000."))
    #expect(name.hasSuffix(".\(getpid()).0"))
    let expected =
      Event(wallTime: 1_700_000_000.5, step: 0, .fileVersion).record()
      + Event(wallTime: 1_700_000_000.5, step: 12, .sessionStart).record() + value(12).record()
    #expect(try Data(contentsOf: URL(fileURLWithPath: file.path)) == Data(expected))
  }

  @Test(
    "The name comes after all others in the folder, even if the clock was set back or two files have the same second")
  func order() throws {
    let folder = try TestFolder()
    var paths: [String] = []
    for time in [1_700_000_000.0, 1_700_000_000.7, 1_600_000_000, 5] {
      let file = EventFile(in: folder.path, firstStep: 0, time: time)
      file.add(value(1))
      try file.flush()
      paths.append(file.path)
    }
    #expect(paths == paths.sorted() && Set(paths).count == 4)
    #expect(paths.last?.contains(".tfevents.1700000003.") == true)
  }

  @Test(
    "A failed flush leaves no part of a record, keeps the values, and the next one writes them",
    arguments: [FileSystem.Operation.createDirectory, .open, .write])
  func failure(at operation: FileSystem.Operation) throws {
    let folder = try TestFolder()
    let fails = Flag()
    let fileSystem = FileSystem { current, path in
      if current == operation, fails.isSet { throw FileError(path, current, errno: ENOSPC) }
    }
    let file = EventFile(in: folder.place("run"), firstStep: 1, time: 1, fileSystem: fileSystem)
    if operation != .createDirectory {
      file.add(value(1))
      try file.flush()
    }
    fails.isSet = true
    file.add(value(2))
    for _ in 0..<2 { #expect(throws: FileError.self) { try file.flush() } }
    fails.isSet = false
    file.add(value(3))
    try file.flush()
    #expect(try steps(in: folder.place("run")) == [operation == .createDirectory ? [2, 3] : [1, 2, 3]])
  }

  @Test("On a full disk no part of a record stays", .enabled(if: TinyDisk.isAvailable, "mounting a tmpfs needs root"))
  func fullDisk() throws {
    let disk = try TinyDisk(kilobytes: 8)
    let file = EventFile(in: disk.path, firstStep: 1, time: 1)
    func add(_ step: Int) throws {
      file.add(Event(wallTime: 9, step: step, .summary([.text("a", String(repeating: "x", count: 3000))])))
      try file.flush()
    }
    try add(1)
    try add(2)
    let size = FileSystem.size(of: file.path)
    let error = #expect(throws: FileError.self) { try add(3) }
    #expect(error?.isOutOfSpace == true)
    #expect(FileSystem.size(of: file.path) == size)
    try disk.resize(kilobytes: 64)
    try add(4)
    #expect(try steps(in: disk.path) == [[1, 2, 3, 4]])
  }

  @Test("If the file or its folder is removed, the next values are in a new one that begins as a file must")
  func removed() throws {
    let folder = try TestFolder()
    let file = EventFile(in: folder.place("a/run"), firstStep: 1, time: 1)
    for (step, lost) in [(1, "a/run"), (2, "a"), (3, "")] {
      file.add(value(step))
      try file.flush()
      #expect(try steps(in: folder.place("a/run")) == [[step]])
      if !lost.isEmpty { try FileManager.default.removeItem(atPath: folder.place(lost)) }
    }
  }

  @Test("Memory holds 16 MiB of records that cannot be written; more are counted and lost")
  func capacity() throws {
    let folder = try TestFolder()
    let fails = Flag()
    let fileSystem = FileSystem { _, path in if fails.isSet { throw FileError(path, .write, errno: ENOSPC) } }
    let file = EventFile(in: folder.path, firstStep: 1, time: 1, fileSystem: fileSystem)
    fails.isSet = true
    let text = String(repeating: "x", count: 1 << 20)
    for step in 1...20 { file.add(Event(wallTime: 1, step: step, .summary([.text("a", text)]))) }
    file.add(value(21))
    #expect(throws: FileError.self) { try file.flush() }
    #expect(file.lostRecords == 5)
    fails.isSet = false
    try file.flush()
    #expect(try steps(in: folder.path) == [Array(1...15) + [21]])
  }

  @Test("Trimming removes the values to be repeated and what is damaged, and leaves a file with others as it is")
  func trim() throws {
    let folder = try TestFolder()
    func write(_ time: Double, _ steps: ClosedRange<Int>) throws -> String {
      let file = EventFile(in: folder.path, firstStep: steps.lowerBound, time: time)
      for step in steps { file.add(value(step)) }
      try file.flush()
      return file.path
    }
    let paths = [try write(1, 1...4), try write(2, 5...9), try write(3, 10...12)]
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[0]))
    try handle.seekToEnd()
    try handle.write(contentsOf: value(5).record().dropLast())
    try handle.close()
    // What a killed process may leave.
    let leftover = folder.place(".\(FileSystem.name(of: paths[1])).tmp")
    try Data("x".utf8).write(to: URL(fileURLWithPath: leftover))
    try Data("x".utf8).write(to: URL(fileURLWithPath: folder.place("notes.txt")))

    try EventFile.trim(folder.path) { step, _ in step <= 7 }
    #expect(!FileSystem.exists(paths[2]) && !FileSystem.exists(leftover))
    try FileSystem().remove(folder.place("notes.txt"))
    #expect(try steps(in: folder.path) == [[1, 2, 3, 4], [5, 6, 7]])
    let first = try Data(contentsOf: URL(fileURLWithPath: paths[0]))
    #expect(
      first.count == FileSystem.size(of: paths[0]) && first.suffix(value(4).record().count) == Data(value(4).record()))

    let before = try FileManager.default.attributesOfItem(atPath: paths[1])[.systemFileNumber] as? Int
    try EventFile.trim(folder.path) { _, _ in true }
    #expect(try FileManager.default.attributesOfItem(atPath: paths[1])[.systemFileNumber] as? Int == before)
    try EventFile.trim(folder.place("missing")) { _, _ in false }
    try EventFile.trim(folder.path) { _, _ in false }
    #expect(FileSystem.names(in: folder.path).isEmpty)
  }
}

private final class Flag: Sendable {
  private let value = Mutex(false)

  var isSet: Bool {
    get { value.withLock { $0 } }
    set { value.withLock { $0 = newValue } }
  }
}
