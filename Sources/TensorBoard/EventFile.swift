import Glibc
import System

/// A new event file of a run, `events.out.tfevents.SECONDS.HOST.PID.0` in the folder of the run.
///
/// A reader takes the files of a folder in the order of their names, so the number of seconds is larger than that of every
/// file that is there, whatever the clock says. Records are gathered in memory, and each flush appends them with one
/// write: a process that is killed leaves whole records and at most one that is truncated.
package final class EventFile {
  /// Records that cannot be written are kept up to this many bytes; more are lost.
  package static let capacity = 16 << 20

  package let path: String
  /// Records that found no room in memory while they could not be written.
  package private(set) var lostRecords = 0
  package var hasPending: Bool { !pending.isEmpty }

  private let folder: String
  private let fileSystem: FileSystem
  /// Begins the file.
  private let start: [UInt8]
  private var pending: [UInt8] = []
  /// The file system that the folder is on: once it is unmounted, the path leads to another one.
  private let device: dev_t?

  /// Creates nothing before the first flush of a record.
  ///
  /// - Parameters:
  ///   - folder: of the run; created if it is missing.
  ///   - firstStep: the first step that this file will hold.
  ///   - time: seconds since 1970.
  package init(in folder: String, firstStep: Int, time: Double, fileSystem: FileSystem = FileSystem()) {
    self.folder = folder
    self.fileSystem = fileSystem
    device = FileSystem.device(of: folder)
    let last = Self.names(in: folder).compactMap(Self.seconds).max() ?? 0
    let seconds = String(max(Int(time), last + 1))
    let padded = String(repeating: "0", count: max(0, 10 - seconds.count)) + seconds
    path = "\(folder)/\(Self.prefix)\(padded).\(Self.host).\(getpid()).0"
    start =
      Event(wallTime: time, step: 0, .fileVersion).record()
      + Event(wallTime: time, step: firstStep, .sessionStart).record()
  }

  package func add(_ event: Event) {
    let record = event.record()
    guard pending.count + record.count <= Self.capacity else {
      lostRecords += 1
      return
    }
    pending += record
  }

  /// Appends what has been added. If that fails it is kept, and no part of it stays in the file.
  ///
  /// By its path: the file or the folder may have been removed, and are then created again, or the file system mounted
  /// again.
  ///
  /// - Throws: `FileError`.
  package func flush() throws {
    guard !pending.isEmpty else { return }
    guard FileSystem.device(of: folder) == device else { throw FileError(path, .open, errno: ENODEV) }
    try fileSystem.createDirectory(folder)
    try fileSystem.before?(.open, path)
    let descriptor = open(path.pathBytes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(path, .open, errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(path, .open, errno: errno) }
    let bytes = status.st_size == 0 ? start + pending : pending
    try fileSystem.before?(.write, path)
    let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    guard written == bytes.count else {
      let code = written < 0 ? errno : ENOSPC
      ftruncate(descriptor, status.st_size)
      throw FileError(path, .write, errno: code)
    }
    pending.removeAll(keepingCapacity: pending.count < 1 << 16)
  }

  // MARK: - The files of a folder

  private static let prefix = "events.out.tfevents."

  private static let host: String = {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return host.isEmpty ? "host" : String(decoding: host, as: UTF8.self)
  }()

  private static func names(in folder: String) -> [String] {
    FileSystem.names(in: folder).filter { $0.hasPrefix(prefix) }
  }

  /// The seconds in a name.
  private static func seconds(of name: String) -> Int? { Int(name.dropFirst(prefix.count).prefix(10)) }

  /// Removes from the event files of a folder the records that a resumed run writes again, and what follows a damaged
  /// record, which no reader gets to. Files without a value are removed.
  ///
  /// A `sessionStart` is not enough: TensorBoard's default reader ignores it. That reader drops later steps tag by tag, when
  /// an earlier one is written; a tag that is written once an epoch would show values of the abandoned steps for hours.
  ///
  /// - Parameter isDone: whether a value remains, by its step and tag. Values of one event have one fate.
  /// - Throws: `FileError`.
  package static func trim(_ folder: String, keeping isDone: (_ step: Int, _ tag: String) -> Bool) throws {
    // Left by a process that was killed here; TensorBoard reads every file with such a name.
    for name in FileSystem.names(in: folder) where name.hasPrefix(".\(prefix)") {
      try FileSystem().remove("\(folder)/\(name)")
    }
    for name in names(in: folder) {
      let path = "\(folder)/\(name)"
      // Nobody else writes it while this process has the lock of the run.
      let file = try MappedFile(path)
      // The mapping must outlive its bytes.
      defer { withExtendedLifetime(file) {} }
      var records = EventRecords(file.bytes)
      var kept: [Range<Int>] = []
      var holdsValues = false
      while let (range, payload) = records.next() {
        let (step, tag) = Event.identity(of: payload)
        if let tag {
          guard isDone(step, tag) else { continue }
          holdsValues = true
        }
        if let last = kept.last, last.upperBound == range.lowerBound {
          kept[kept.count - 1] = last.lowerBound..<range.upperBound
        } else {
          kept.append(range)
        }
      }
      if !holdsValues {
        try FileSystem().remove(path)
      } else if kept != [0..<file.bytes.count] {
        try FileSystem().replaceFile(path) { output in
          for range in kept { try output.write(UnsafeRawBufferPointer(rebasing: file.bytes[range])) }
        }
      }
    }
  }
}
