import CZlib
import Glibc

/// Writes a zip archive of stored (not compressed) files, one after another. The same files give the same bytes.
///
/// The archive has a temporary name beside its own until `finish`, so that one under its own name is complete.
package final class ZipWriter {
  private let path: String
  private let temporary: String
  private let fileSystem: FileSystem
  private let file: OutputFile
  private var directory: [UInt8] = []
  private var entries = 0
  private var isFinished = false
  /// Whether a file was written in part, so that nothing can follow it.
  private var hasFailed = false

  /// The format without its 64-bit extension holds no more: all ones stand for that extension.
  private static let maximumEntries = 0xFFFE
  private static let maximumBytes = 0xFFFF_FFFE
  /// Of a file with the longest name, and of the table of contents.
  private static let longestHeaders = 2 * 0xFFFF + 30 + 46 + 22

  package init(_ path: String, in fileSystem: FileSystem = FileSystem()) throws {
    self.path = path
    self.fileSystem = fileSystem
    temporary = "\(FileSystem.parent(of: path))/.\(FileSystem.name(of: path)).tmp"
    do {
      file = try OutputFile(temporary, in: fileSystem)
    } catch {
      throw Self.named(path, error)
    }
  }

  deinit { if !isFinished { try? fileSystem.remove(temporary) } }

  /// Adds a file.
  package func add(_ name: String, _ bytes: [UInt8]) throws {
    let name = name.pathBytes.dropLast().map(UInt8.init(bitPattern:))
    let offset = file.count
    guard !hasFailed else { throw FileError(path, .write, errno: EIO) }
    guard entries < Self.maximumEntries,
      bytes.count + offset + directory.count + Self.longestHeaders <= Self.maximumBytes,
      name.count <= 0xFFFF
    else { throw FileError(path, .write, errno: EFBIG) }
    // Version 2.0; names are UTF-8; stored; the earliest date there is.
    let common: [UInt8] =
      [20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0] + Self.four(Self.crc(bytes)) + Self.four(UInt32(bytes.count))
      + Self.four(UInt32(bytes.count)) + Self.two(name.count) + [0, 0]
    do {
      try file.write(Self.four(0x0403_4b50) + common + name)
      try file.write(bytes)
    } catch {
      hasFailed = true
      throw Self.named(path, error)
    }
    // Made by Unix, which gives the permissions rw-r--r-- of a regular file.
    directory +=
      Self.four(0x0201_4b50) + [20, 3] + common + [0, 0, 0, 0, 0, 0] + Self.four(0o100644 << 16)
      + Self.four(UInt32(offset)) + name
    entries += 1
  }

  /// Writes the table of contents and gives the archive its name.
  package func finish() throws {
    guard !hasFailed else { throw FileError(path, .write, errno: EIO) }
    do {
      let offset = file.count
      try file.write(
        directory + Self.four(0x0605_4b50) + [0, 0, 0, 0] + Self.two(entries) + Self.two(entries)
          + Self.four(UInt32(directory.count)) + Self.four(UInt32(offset)) + [0, 0])
      try file.close()
      try fileSystem.rename(temporary, to: path)
      isFinished = true
      try fileSystem.syncDirectory(FileSystem.parent(of: path))
    } catch {
      throw Self.named(path, error)
    }
  }

  /// The user knows the file by its final name.
  private static func named(_ path: String, _ error: any Error) -> any Error {
    (error as? FileError).map { FileError(path, $0.problem) } ?? error
  }

  private static func crc(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
  }

  private static func two(_ value: Int) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8 & 0xFF)] }

  private static func four(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (8 * $0) & 0xFF) } }
}
