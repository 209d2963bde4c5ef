import Cityscapes
import Foundation
import Inference
import Metrics
import Testing
import Training

@Suite("Evaluation file")
final class EvaluationFileTests {
  private let path = FileManager.default.temporaryDirectory.appending(path: "gscnn-evaluation-\(UUID().uuidString)")
    .path
  private let subject = EvaluationFile.Subject(model: 1, images: 2)
  private var evaluation = Evaluation(of: .val)
  private var file: EvaluationFile { EvaluationFile(path: path) }

  /// Writes the result of three images.
  init() throws {
    var confusion = ConfusionMatrix()
    confusion.add(prediction: [0, 1, 18], target: [0, 2, 255])
    evaluation.add(confusion, losses: [0.1 + 0.2, .infinity], seconds: 1)
    evaluation.add(confusion, losses: [1.5], seconds: 0.5)
    try file.write(evaluation, subject)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  @Test("A result is read as it was written, only for the same weights and images")
  func sameSubject() throws {
    #expect(try file.read(subject) == evaluation)
    #expect(try file.read(EvaluationFile.Subject(model: 3, images: 2)) == nil)
    #expect(try file.read(EvaluationFile.Subject(model: 1, images: 3)) == nil)
    try FileManager.default.removeItem(atPath: path)
    #expect(try file.read(subject) == nil)
  }

  @Test("Every changed byte and every truncation is refused by name")
  func damage() throws {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 0x11
      for damaged in [changed, bytes.prefix(index)] {
        try damaged.write(to: URL(fileURLWithPath: path))
        #expect(throws: TrainingError("\(path): is damaged"), "byte \(index)") { try file.read(subject) }
      }
    }
  }
}
