import Cityscapes
import Images
import Inference
import System
import Tensors

/// The worst images of a run's validation: found in the data set, with the predictions that the run has written.
struct WorstImages {
  let images: [WorstImage]

  /// - Parameter dataPath: the data set, if it is not where the run had it.
  /// - Throws: `MissingFigures` if there is no data set.
  init(
    _ figures: EvaluationFigures, of record: RunRecord, _ table: LabelTable, dataPath: String?
  ) throws(MissingFigures) {
    guard let worst = figures.worstImages else {
      throw MissingFigures("\(record.paths.validation) does not name the worst images.")
    }
    guard let root = dataPath ?? record.dataPath, let split = Split(rawValue: figures.split) else {
      throw MissingFigures("It is not known where the data set is; give it as --data-path.")
    }
    let samples: [SamplePaths]
    do {
      samples = try CityscapesDirectory(root: root, files: table.files).samples(of: split)
    } catch {
      throw MissingFigures("The worst images cannot be shown: \(error); give --data-path if the data set was moved.")
    }
    let folder = PredictionFolder(record.paths.predictions(split.rawValue), of: samples, as: .colors, table)
    let places = Dictionary(zip(folder.names.map(\.printable), samples.indices)) { first, _ in first }
    images = worst.map { entry in
      guard let index = places[entry.image] else {
        return WorstImage(
          entry.image, meanClassIoU: entry.meanClassIoU,
          missing: MissingFigures("\(root) has no such image; give the data set of the run as --data-path."))
      }
      return WorstImage(entry.image, meanClassIoU: entry.meanClassIoU, of: samples[index], table) { _ in
        let file = FileSystem.join(folder.path, folder.fileName(index))
        guard FileSystem.exists(file) else {
          throw MissingFigures("\(file) does not exist; gscnn evaluate --report FILE predicts it again.")
        }
        return try PNG.read(file, as: .gray)
      }
    }
  }
}
