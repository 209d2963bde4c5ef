import Cityscapes
import Foundation
import Inference
import Metrics
import System
import Tensors
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

  @Test("A file of an earlier version, without details, is read")
  func earlierVersion() throws {
    let counts = (0..<361).map { $0 == 0 ? "5" : "0" }.joined(separator: ",")
    let text =
      #"{"evaluation":{"confusion":{"counts":[\#(counts)]},"losses":[1.5,0.25],"seconds":2.5,"split":"val"},"#
      + #""subject":{"images":2,"model":1}}"# + "\n"
    let hash = String(Array(text.utf8).withUnsafeBytes(XXH64.hash), radix: 16)
    let header = String(repeating: "0", count: 16 - hash.count) + hash + "\n"
    try Data((header + text).utf8).write(to: URL(fileURLWithPath: path))
    let evaluation = try #require(try file.read(subject))
    #expect(evaluation.images == 2 && evaluation.confusion[0, 0] == 5 && evaluation.details == nil)
  }

  @Test("Details are read as they were written")
  func details() throws {
    var evaluation = Evaluation(of: .val, details: EvaluationDetails(BoundaryThresholds(fScore: [0.1, 3])))
    evaluation.add(ConfusionMatrix(), losses: [1], seconds: 1)
    let sample = SamplePaths(root: "nowhere", split: .test, city: "c", name: "n")
    evaluation.add([
      try ImageMeasurement(
        sample, prediction: [0, 0, 1, 2, 3, 4], target: [0, 0, 1, 1, 3, 255], Size(2, 3),
        BoundaryThresholds(fScore: [0.1, 3]))
    ])
    try file.write(evaluation, subject)
    #expect(try file.read(subject) == evaluation)
    #expect(evaluation.details?.boundaries.images == 1)
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
