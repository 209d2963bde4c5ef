import Foundation

/// An operation on a file that failed: which file, what was tried, what the system said, what to do.
package struct FileError: Error, Equatable, CustomStringConvertible {
  package enum Problem: Equatable, Sendable {
    case failed(FileSystem.Operation, errno: Int32)
    case notRegularFile
  }

  package let path: String
  package let problem: Problem

  package init(_ path: String, _ problem: Problem) {
    self.path = path
    self.problem = problem
  }

  package init(_ path: String, _ operation: FileSystem.Operation, errno: Int32) {
    self.init(path, .failed(operation, errno: errno))
  }

  /// The system's words: "No space left on device".
  package var reason: String {
    switch problem {
    case .failed(_, let code): String(cString: strerror(code))
    case .notRegularFile: "not a regular file"
    }
  }

  /// Whether the disk or a quota is full.
  package var isOutOfSpace: Bool {
    guard case .failed(_, let code) = problem else { return false }
    return code == ENOSPC || code == EDQUOT
  }

  package var remedy: String {
    switch problem {
    case .failed(_, errno: ENOSPC) where FileSystem.lacksInodes(path):
      "the disk has no inodes for new files; remove files there"
    case .failed(_, errno: ENOSPC), .failed(_, errno: EDQUOT), .failed(_, errno: EFBIG): "make room on that disk"
    case .failed(_, errno: ENOENT), .failed(_, errno: ENOTDIR), .notRegularFile: "check the path"
    case .failed(_, errno: ENODEV), .failed(_, errno: ESTALE): "mount that file system again"
    case .failed(_, errno: EACCES), .failed(_, errno: EPERM), .failed(_, errno: EROFS): "check the permissions"
    case .failed: "check the path and the disk"
    }
  }

  package var description: String {
    switch problem {
    case .failed(let operation, _): "\(path): cannot \(operation.rawValue): \(reason); \(remedy)"
    case .notRegularFile: "\(path): is not a regular file; \(remedy)"
    }
  }
}

extension FileError: LocalizedError {
  package var errorDescription: String? { reason }
}

extension Error {
  /// What the system said, as "No space left on device". Foundation's own text names neither cause nor file.
  package var posixMessage: String {
    if let error = self as? FileError { return error.reason }
    let error = self as NSError
    let cause = (error.userInfo[NSUnderlyingErrorKey] as? any Error).map { $0 as NSError } ?? error
    return cause.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(cause.code))) : localizedDescription
  }
}
