import Foundation

extension Error {
  /// The POSIX error message ("No space left on device"), where there is one. Foundation's own text names neither the
  /// cause nor the file.
  package var reason: String {
    let error = self as NSError
    let cause = (error.userInfo[NSUnderlyingErrorKey] as? any Error).map { $0 as NSError } ?? error
    return cause.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(cause.code))) : localizedDescription
  }
}
