import Glibc

/// What the terminal of this process can show, as the environment says.
package enum Terminal {
  /// Columns and rows of the terminal that a descriptor leads to; nil if it leads to none, or to one without a size.
  package static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return (Int(size.ws_col), size.ws_row > 0 ? Int(size.ws_row) : 24)
  }

  /// Whether the locale's characters are UTF-8: block characters and braille are shown as they are.
  package static var isUTF8: Bool { isUTF8(locale: variable) }

  /// - Parameter variable: of the environment; the first that is set decides.
  package static func isUTF8(locale variable: (String) -> String?) -> Bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(variable).first { !$0.isEmpty } ?? ""
    return locale.lowercased().split(separator: "-").joined().contains("utf8")
  }

  /// Whether the terminal knows no control sequences (`TERM=dumb`), as that of an editor.
  package static var isDumb: Bool { ["dumb", ""].contains(variable("TERM") ?? "") }

  /// Whether colors are welcome on a terminal (https://no-color.org).
  package static var allowsColor: Bool { !isDumb && (variable("NO_COLOR") ?? "").isEmpty }

  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
