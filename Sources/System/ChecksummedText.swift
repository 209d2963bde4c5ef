import Foundation

/// A text with its XXH64 before it, 16 hexadecimal digits on a line of their own: a file that can be read by eye and whose
/// damage shows.
package enum ChecksummedText {
  package static func encode(_ text: Data) -> Data { header(of: text) + text }

  /// - Returns: the text; nil if it is damaged.
  package static func decode(_ data: Data) -> Data? {
    let text = data.dropFirst(17)
    return data.prefix(17) == header(of: text) ? text : nil
  }

  private static func header(of text: Data) -> Data {
    Data("\(Array(text).withUnsafeBytes(XXH64.hash).zeroPadded(to: 16, radix: 16))\n".utf8)
  }
}
