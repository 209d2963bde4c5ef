import Cityscapes
import Distributed

/// Why an evaluation or a prediction failed. Thrown by every rank, or by rank 0 alone.
package enum InferenceError: CollectiveError, CustomStringConvertible, Equatable {
  case cannotCreateFolder(String, reason: String)
  case cannotWriteFolder(String, reason: String)
  case cannotWriteReport(String, reason: String)
  case nothingToMeasure(labels: String)
  case missingPredictions(Int, of: Int, reason: String)
  case noSuchImage(String, dataPath: String)
  case sizeMismatch(labels: String, labelSize: String, imageSize: String)

  package var description: String {
    switch self {
    case .cannotCreateFolder(let path, let reason): "\(path): the folder cannot be created (\(reason))"
    case .cannotWriteFolder(let path, let reason): "\(path): nothing can be written there (\(reason))"
    case .nothingToMeasure(let labels): "\(labels): holds no labeled pixel, so that there is nothing to measure"
    case .cannotWriteReport(let path, let reason): "\(path): the report cannot be written (\(reason))"
    case .missingPredictions(let missing, let count, let reason):
      "\(missing) of \(count) predictions are not written; the first: \(reason)"
    case .noSuchImage(let name, let dataPath):
      "\(name): there is no \(dataPath)/leftImg8bit/\(name) and no file \(name)"
    case .sizeMismatch(let labels, let labelSize, let imageSize):
      "\(labels): \(labelSize), but its image is \(imageSize)"
    }
  }
}
