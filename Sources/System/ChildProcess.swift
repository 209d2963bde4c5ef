import Foundation
import Glibc

/// A program that reads from this process, such as an encoder of videos.
///
/// It runs in a process group of its own: Ctrl-C stops this process, which then decides about the child. The child ends
/// with this object.
package final class ChildProcess {
  /// What became of it.
  package struct Outcome: Sendable {
    /// The exit status; 128 + signal if a signal ended it.
    package let status: Int32
    /// The end of its standard error.
    package let lastLines: String
  }

  private var id: pid_t?
  /// What it reads from. A socket, not a pipe: writing to a child that has ended is an error here, and no signal.
  private var input: Int32
  private var errors: Int32
  private var messages: [UInt8] = []

  /// Of its standard error, bytes that are kept.
  private static let keptMessages = 4096

  /// The path of a program in the folders of `PATH`; nil if it is in none.
  package static func find(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").lazy
      .map { FileSystem.join(String($0), name) }
      .first { !FileSystem.isDirectory($0, followingLinks: true) && access($0.pathBytes, X_OK) == 0 }
  }

  /// Starts a program; its standard output is discarded.
  ///
  /// - Parameter path: of the program.
  package init(_ path: String, _ arguments: [String]) throws(FileError) {
    var sockets: [Int32] = [-1, -1]
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &sockets) == 0 else {
      throw FileError(path, .open, errno: errno)
    }
    // Neither side waits for the other: a child that says more than is read loses the rest of it, and goes on.
    guard pipe(&ends) == 0 else {
      let code = errno
      for socket in sockets { close(socket) }
      throw FileError(path, .open, errno: code)
    }
    (input, errors) = (sockets[0], ends[0])
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    defer {
      close(sockets[1])
      close(ends[1])
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, sockets[1], STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawnattr_setpgroup(&attributes, 0)

    let words = ([path] + arguments).map { strdup($0.pathBytes) }
    let environment = ProcessInfo.processInfo.environment.map { strdup("\($0)=\($1)") }
    defer { for text in words + environment { free(text) } }
    var child: pid_t = 0
    let code = posix_spawn(&child, path.pathBytes, &actions, &attributes, words + [nil], environment + [nil])
    guard code == 0 else {
      close(input)
      close(errors)
      throw FileError(path, .open, errno: code)
    }
    id = child
  }

  deinit {
    kill()
    close(errors)
  }

  /// Gives the child something to read, and waits until it has room for it.
  ///
  /// - Returns: whether it still reads.
  package func write(_ bytes: [UInt8]) -> Bool {
    guard input >= 0 else { return false }
    return bytes.withUnsafeBytes { buffer in
      var sent = 0
      while sent < buffer.count {
        readMessages()
        let result = retryingInterrupted {
          send(input, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
        }
        guard result > 0 else { return false }
        sent += result
        Activity.advance()
      }
      return true
    }
  }

  /// Ends its input and waits until it has ended.
  package func finish() -> Outcome {
    closeInput()
    var status: Int32 = 0
    if let id {
      // Its messages are read until they end, so that it does not wait to write them.
      var descriptor = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
      while waitpid(id, &status, WNOHANG) == 0 {
        Glibc.poll(&descriptor, 1, 100)
        readMessages()
      }
      self.id = nil
    }
    readMessages()
    let code = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    let text = String(decoding: messages, as: UTF8.self)
    let lines = text.split(whereSeparator: \.isNewline).suffix(3).map { $0.trimmingCharacters(in: .whitespaces) }
    return Outcome(status: code, lastLines: lines.joined(separator: "; "))
  }

  /// Ends it at once.
  package func kill() {
    closeInput()
    guard let id else { return }
    Glibc.kill(id, SIGKILL)
    _ = retryingInterrupted { waitpid(id, nil, 0) }
    self.id = nil
  }

  private func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  private func readMessages() {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = buffer.withUnsafeMutableBytes { Glibc.read(errors, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      messages += buffer[..<count]
    }
    messages = messages.suffix(Self.keptMessages)
  }
}
