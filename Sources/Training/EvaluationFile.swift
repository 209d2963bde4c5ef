import Foundation
import Inference
import System

/// The file of an evaluation that is not complete: one line of JSON with its checksum.
package struct EvaluationFile {
  /// What an evaluation belongs to: the weights and running statistics, and the images of the split.
  package struct Subject: Codable, Equatable {
    let model: UInt64
    let images: UInt64

    /// - Parameters:
    ///   - model: a hash of the weights and running statistics.
    ///   - images: a hash of the images' names.
    package init(model: UInt64, images: UInt64) {
      self.model = model
      self.images = images
    }
  }

  let path: String

  package init(path: String) { self.path = path }

  private struct Content: Codable {
    let subject: Subject
    let evaluation: Evaluation
  }

  /// - Returns: `nil` if there is no file, or it belongs to other weights or images.
  /// - Throws: `TrainingError` if the file is damaged.
  package func read(_ subject: Subject) throws -> Evaluation? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    guard let text = FileManager.default.contents(atPath: path).flatMap(ChecksummedText.decode),
      let content = try? JSON.decode(Content.self, from: text),
      content.evaluation.confusion.classes == content.evaluation.table.classes.count
    else { throw TrainingError("\(path): is damaged") }
    return content.subject == subject ? content.evaluation : nil
  }

  package func write(_ evaluation: Evaluation, _ subject: Subject) throws {
    let text = try JSON.encode(Content(subject: subject, evaluation: evaluation), .sortedKeys) + Data("\n".utf8)
    try FileSystem().replaceFile(path, with: ChecksummedText.encode(text))
  }

  func remove() { try? FileSystem().remove(path) }
}
