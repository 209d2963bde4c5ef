import Cityscapes
import Distributed
import Foundation
import GatedSCNN
import Inference
import Metrics
import System
import Tensors

/// Evaluates models on a split and writes their predictions. `TrainingOptions.validators` decides which ranks evaluate.
///
/// The result so far is saved in a file beside the pending predictions, so that a stopped or killed run goes on with the
/// next image, with any number of ranks.
struct Validator {
  let options: TrainingOptions
  let paths: RunPaths
  let workers: WorkerPool
  let communicator: Communicator
  let dataset: TrainingDataset
  let warn: (String) -> Void

  /// Evaluates a split and writes its predictions to a pending folder, until `promote` or `discard` is called. Goes on
  /// where an evaluation of the same weights was stopped. Collective.
  ///
  /// - Parameter stopRequested: called on every rank after each round of images; its answer is the same on all ranks.
  /// - Returns: `nil` if a stop was requested before all images were done; the result so far is saved.
  func evaluate(
    _ split: Split, with model: GatedSCNN, stopRequested: () -> Bool, notify: (TrainingEvent) throws -> Void
  ) throws -> Evaluation? {
    let samples = samples(of: split)
    let folder = PredictionFolder(
      pending(split), of: samples, as: split == .val ? .colors : .labelIds(suffix: "color"), options.table)
    let start = try resultSoFar(split, Self.subject(model, samples))
    // The figures and the model do not depend on the predictions.
    var isWritten = true
    func cannotWrite(_ error: any Error) {
      if isWritten { warn("\(error); training goes on, and \(split.rawValue) will have no predictions") }
      isWritten = false
    }
    if communicator.rank == 0 {
      do { try folder.create() } catch { cannotWrite(error) }
    }
    return try evaluate(
      samples, of: split, with: model, from: start, writingTo: folder, writeFailed: cannotWrite,
      savingTo: file(split), stopRequested: stopRequested, notify: notify)
  }

  /// Evaluates the average of weights on the validation split, without writing predictions. Goes on where an evaluation
  /// of the same weights was stopped. Collective.
  ///
  /// - Returns: as `evaluate`.
  func evaluateAverage(
    _ model: GatedSCNN, stopRequested: () -> Bool, notify: (TrainingEvent) throws -> Void
  ) throws -> Evaluation? {
    let samples = dataset.validation
    let subject = Self.subject(model, samples)
    var start = newEvaluation(of: .val)
    if communicator.rank == 0, let saved = try? averageFile.read(subject), isContinued(by: saved, of: .val) {
      start = saved
    }
    start = try broadcast(start)
    return try evaluate(
      samples, of: .val, with: model, from: start, savingTo: averageFile, stopRequested: stopRequested, notify: notify)
  }

  /// Evaluates the images that `start` lacks, and saves the result so far between them.
  private func evaluate(
    _ samples: [SamplePaths], of split: Split, with model: GatedSCNN, from start: Evaluation,
    writingTo folder: PredictionFolder? = nil, writeFailed: (any Error) throws -> Void = { throw $0 },
    savingTo file: EvaluationFile, stopRequested: () -> Bool, notify: (TrainingEvent) throws -> Void
  ) throws -> Evaluation? {
    try notify(.imageEvaluated(split, done: start.images, of: samples.count))
    let subject = Self.subject(model, samples)
    var nextSave = 0.0
    let evaluation = try Evaluator(
      model, workers: workers, communicator: communicator, validators: options.validators
    ).evaluate(
      samples, from: start,
      writingTo: folder,
      writeFailed: writeFailed,
      shouldContinue: { evaluation in
        try notify(.imageEvaluated(split, done: evaluation.images, of: samples.count))
        // Before the ranks agree to go on, so that a rank that dies loses no more than an image of each rank.
        let begin = Clock.now
        var isSaved = false
        if begin >= nextSave || evaluation.images == samples.count {
          isSaved = save(evaluation, subject, to: file)
          // Whole images take seconds, saving takes milliseconds: every round is saved unless that were 2 % of the time.
          nextSave = Clock.now + (isSaved ? 50 * (Clock.now - begin) : 60)
        }
        guard stopRequested() else { return true }
        if !isSaved { _ = save(evaluation, subject, to: file) }
        return false
      })
    return evaluation.images == samples.count ? evaluation : nil
  }

  /// Removes the result of `evaluateAverage`.
  func discardAverage() {
    if communicator.rank == 0 { averageFile.remove() }
  }

  private var averageFile: EvaluationFile { EvaluationFile(path: paths.predictions(".val-average") + ".result") }

  private static func subject(_ model: GatedSCNN, _ samples: [SamplePaths]) -> EvaluationFile.Subject {
    var hash = XXH64()
    for floats in [model.store.values, model.store.running] { hash.update(floats) }
    return EvaluationFile.Subject(model: hash.value, images: TrainingDataset.digest(of: samples))
  }

  /// Replaces the predictions of the previous best model by the pending ones, unless some could not be written.
  func promote(_ split: Split) {
    // A folder that is not empty cannot be replaced by a rename.
    removePredictions(split)
    guard communicator.rank == 0 else { return }
    guard pendingCount(split) == samples(of: split).count else { return discard(split) }
    let folder = paths.predictions(split.rawValue)
    do {
      try FileSystem().rename(pending(split), to: folder)
    } catch {
      warn("\(folder): the predictions cannot be moved there (\(error.posixMessage)); make the folder writable")
    }
    file(split).remove()
  }

  /// Writes the figures of the best model's validation.
  func writeReport(_ evaluation: Evaluation) {
    guard communicator.rank == 0 else { return }
    let predictions = PredictionFolder(
      paths.predictions("val"), of: dataset.validation, as: .colors, options.table)
    do {
      try EvaluationReport(
        evaluation, of: predictions, at: nil, precision: options.computePrecision, absentClasses: .leftOut
      ).write(to: paths.validation)
    } catch {
      warn("\(error); training goes on, and the figures of this validation stay in the statistics alone")
    }
  }

  /// Removes the predictions of the previous best model.
  func removePredictions(_ split: Split) {
    let folder = paths.predictions(split.rawValue)
    // A symbolic link is removed, not what it points to.
    guard communicator.rank == 0, (try? FileManager.default.attributesOfItem(atPath: folder)) != nil else { return }
    do {
      try FileManager.default.removeItem(atPath: folder)
    } catch {
      warn("\(folder): predictions of an earlier model cannot be removed (\(error.posixMessage)); remove that folder")
    }
  }

  /// Whether there are predictions of a split; a folder appears only when it is complete. Collective.
  func hasPredictions(_ split: Split) -> Bool {
    let isThere = communicator.rank == 0 && FileManager.default.fileExists(atPath: paths.predictions(split.rawValue))
    return communicator.allReduceMax(isThere ? 1 : 0) == 1
  }

  /// Removes the pending predictions.
  func discard(_ split: Split) {
    guard communicator.rank == 0 else { return }
    try? FileManager.default.removeItem(atPath: pending(split))
    file(split).remove()
  }

  // MARK: - The result so far

  /// Of no images yet. The labels of the test split are not published.
  private func newEvaluation(of split: Split) -> Evaluation {
    Evaluation(
      of: split, options.table,
      details: split == .val ? EvaluationDetails(BoundaryThresholds(), options.table, labelIds: false) : nil)
  }

  /// Whether a result, perhaps of an earlier version, has what a new one would have.
  private func isContinued(by saved: Evaluation, of split: Split) -> Bool {
    saved.table == options.table && (saved.details != nil) == (split == .val)
  }

  /// The result for the images that are done, with their predictions in the pending folder. Collective.
  private func resultSoFar(_ split: Split, _ subject: EvaluationFile.Subject) throws -> Evaluation {
    var result = newEvaluation(of: split)
    if communicator.rank == 0 {
      do {
        if let saved = try file(split).read(subject), isContinued(by: saved, of: split) {
          try requirePredictions(of: saved)
          result = saved
        } else {
          discard(split)
        }
      } catch {
        warn("\(error); all images are evaluated again")
        discard(split)
      }
    }
    return try broadcast(result)
  }

  /// The result of rank 0, on every rank. Collective.
  private func broadcast(_ result: Evaluation) throws -> Evaluation {
    let encoded = try communicator.broadcast([UInt8](JSON.encode(result)))
    return try JSON.decode(Evaluation.self, from: Data(encoded))
  }

  /// Removes what a killed run left unfinished, and checks that no prediction is missing.
  private func requirePredictions(of evaluation: Evaluation) throws {
    let folder = pending(evaluation.split)
    guard FileSystem.isDirectory(folder) else { throw TrainingError("\(folder): is no folder") }
    let names = FileSystem.names(in: folder)
    for name in names where name.hasPrefix(".") { try FileSystem().remove("\(folder)/\(name)") }
    let found = pendingCount(evaluation.split)
    guard found < evaluation.images else { return }
    throw TrainingError("\(folder): holds \(found) predictions of the \(evaluation.images) images that were done")
  }

  /// Writes the result so far. If that fails the evaluation goes on: a stopped one would only begin again.
  ///
  /// - Returns: whether it was written, on rank 0.
  private func save(_ evaluation: Evaluation, _ subject: EvaluationFile.Subject, to file: EvaluationFile) -> Bool {
    guard communicator.rank == 0 else { return true }
    do {
      try file.write(evaluation, subject)
      return true
    } catch {
      warn("\(file.path): cannot be written (\(error.posixMessage)); a run that stops now evaluates all images again")
      return false
    }
  }

  private func samples(of split: Split) -> [SamplePaths] { split == .val ? dataset.validation : dataset.test }

  private func pendingCount(_ split: Split) -> Int {
    FileSystem.names(in: pending(split)).count { !$0.hasPrefix(".") }
  }

  private func pending(_ split: Split) -> String { paths.predictions(".\(split.rawValue)-pending") }

  private func file(_ split: Split) -> EvaluationFile { EvaluationFile(path: pending(split) + ".result") }
}

extension XXH64 {
  mutating func update(_ floats: FloatSlice) {
    update(UnsafeRawBufferPointer(start: floats.start, count: floats.count * MemoryLayout<Float>.stride))
  }
}
