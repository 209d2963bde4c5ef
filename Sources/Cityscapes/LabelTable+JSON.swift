import Foundation
import System

/// Why a description of classes cannot be used: one line with the file, the key and the remedy.
package struct LabelTableError: Error, Equatable, CustomStringConvertible {
  /// The file, or what else holds the description.
  package let path: String
  /// As `classes[3].color`; empty for the whole file.
  package let key: String
  package let problem: String
  package let remedy: String

  package init(path: String, key: String, problem: String, remedy: String) {
    self.path = path
    self.key = key
    self.problem = problem
    self.remedy = remedy
  }

  package var description: String { "\(path): \(key.isEmpty ? "" : key + ": ")\(problem); \(remedy)" }
}

extension LabelTable {
  /// Reads the description of a data set.
  ///
  /// - Throws: `LabelTableError`.
  package init(contentsOf path: String) throws(LabelTableError) {
    let description = DescriptionReader(path: path)
    let data: Data
    do {
      let file = try MappedFile(path)
      defer { withExtendedLifetime(file) {} }
      guard file.bytes.count <= DescriptionReader.maximumBytes else {
        throw description.error(
          "", "is larger than a description of classes can be", "give the JSON file with the classes")
      }
      data = Data(file.bytes)
    } catch let error as LabelTableError {
      throw error
    } catch {
      throw description.error("", "cannot be read (\(error.posixMessage))", "give the JSON file with the classes")
    }
    self = try description.table(data)
  }

  /// Reads a description that the program itself has written.
  ///
  /// - Parameter source: what holds it, for errors.
  package init(text: String, in source: String) throws(LabelTableError) {
    self = try DescriptionReader(path: source).table(Data(text.utf8))
  }

  /// The description, as the file of `--classes`; not for Cityscapes, which has none.
  package var text: String {
    // Texts and numbers can always be encoded.
    (try? JSON.encode(self, [.sortedKeys, .withoutEscapingSlashes])).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }
}

extension LabelTable: Codable {
  private struct Description: Encodable {
    struct Entry: Encodable {
      let name: String
      let id: UInt8
      let color: [UInt8]
      let category: String?

      init(_ entry: LabelTable.Entry) {
        (name, id, category) = (entry.name, entry.id, entry.category)
        color = [entry.color.red, entry.color.green, entry.color.blue]
      }
    }

    let name: String
    let classes: [Entry]
    let ignored: [Entry]
    let images: String?
    let labels: String?
    let splits: [String: String]?
  }

  package func encode(to encoder: any Encoder) throws {
    let splits = files.map { files in
      [String: String](uniqueKeysWithValues: files.splits.map { ($0.key.rawValue, $0.value) })
    }
    try Description(
      name: name, classes: classes.map(Description.Entry.init), ignored: ignored.map(Description.Entry.init),
      images: files?.images, labels: files?.labels, splits: splits
    ).encode(to: encoder)
  }

  package init(from decoder: any Decoder) throws {
    self = try DescriptionReader(path: "classes").table(JSONTree(from: decoder))
  }
}
