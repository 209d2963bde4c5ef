import Foundation
import Glibc

/// A small file system in memory (tmpfs), unmounted with the object. Needs root.
package final class TinyDisk {
  package struct Failed: Error { package let command: [String] }

  package let path = NSTemporaryDirectory() + "/gscnn-tiny-disk-\(UUID().uuidString)"
  private var mountPoint: String

  package init(kilobytes: Int) throws {
    mountPoint = path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Self.run("mount", "-t", "tmpfs", "-o", "size=\(kilobytes)k", "tmpfs", path)
  }

  deinit {
    try? Self.run("umount", mountPoint)
    for folder in Set([path, mountPoint]) { rmdir(folder) }
  }

  package func resize(kilobytes: Int) throws { try Self.run("mount", "-o", "remount,size=\(kilobytes)k", mountPoint) }

  /// Moves the file system to another folder; nil: back to `path`.
  package func move(to folder: String?) throws {
    let target = folder ?? path
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    // A mount below a shared one cannot be moved.
    try Self.run("mount", "--bind", mountPoint, target)
    try Self.run("umount", mountPoint)
    if mountPoint != path { rmdir(mountPoint) }
    mountPoint = target
  }

  /// Whether this process may mount file systems.
  package static let isAvailable = (try? TinyDisk(kilobytes: 8)) != nil

  private static func run(_ command: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed(command: command) }
  }
}
