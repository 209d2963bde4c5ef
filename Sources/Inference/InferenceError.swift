import Cityscapes
import Distributed
import Images
import System

/// Why an evaluation or a prediction failed. Thrown by every rank, or by rank 0 alone.
package enum InferenceError: CollectiveError, CustomStringConvertible, Equatable {
  case cannotCreateFolder(String, reason: String)
  case cannotWriteFolder(String, reason: String)
  case cannotWriteArchive(String, reason: String)
  case cannotWriteReport(String, reason: String)
  case cannotWritePicture(String, reason: String)
  case cannotWriteVideo(String, reason: String)
  case noFFmpeg
  case noGroundTruth(String)
  case noImages(String)
  case noList(String)
  case notFinite(image: String)
  case nothingToMeasure(labels: String)
  case missingPredictions(Int, of: Int, reason: String)
  case noSuchImage(String, dataPath: String)
  case noSuchImageBelow(String, String)
  case noSuchInput(String)
  case outputIsInput(String)
  case overwritesInput(result: String, image: String)
  case sameName(String, first: String, second: String)
  case severalPredictions(folder: String, image: String, first: String, second: String)
  case sizeMismatch(labels: String, labelSize: String, imageSize: String)
  case tooLargeView(String, panel: String)

  package var description: String {
    switch self {
    case .cannotCreateFolder(let path, let reason): "\(path): the folder cannot be created (\(reason))"
    case .cannotWriteFolder(let path, let reason): "\(path): nothing can be written there (\(reason))"
    case .notFinite(let image): "\(image.printable): the network's output for this image is infinite or not a number"
    case .nothingToMeasure(let labels): "\(labels): holds no labeled pixel, so that there is nothing to measure"
    case .cannotWriteReport(let path, let reason): "\(path): the report cannot be written (\(reason))"
    case .cannotWritePicture(let path, let reason): "\(path.printable): the picture cannot be written (\(reason))"
    case .cannotWriteVideo(let path, let reason): "\(path.printable): the video cannot be written (\(reason))"
    case .noFFmpeg: "ffmpeg, which encodes videos, is in no folder of PATH"
    case .noGroundTruth(let image): "\(image.printable): has no ground truth that the prediction could be compared with"
    case .tooLargeView(let image, let panel):
      "\(image.printable): a picture with panels of \(panel) pixels would have more than \(PNG.maximumPixels)"
    case .missingPredictions(let missing, let count, let reason):
      "\(missing) of \(count) predictions are not written; the first: \(reason)"
    case .noSuchImage(let name, let dataPath):
      "\(name): there is no \(dataPath)/leftImg8bit/\(name) and no file \(name)"
    case .noSuchImageBelow(let folder, let name): "\(name): there is no \(folder)/\(name) and no file \(name)"
    case .cannotWriteArchive(let path, let reason): "\(path): the zip archive cannot be written (\(reason))"
    case .noImages(let path):
      "\(path.printable): holds no images (files ending in \(Photograph.endings.joined(separator: ", ")))"
    case .noList(let path): "\(path.printable): is no list of images, a path on each line"
    case .noSuchInput(let path): "\(path.printable): there is no such image, folder or list"
    case .outputIsInput(let folder): "\(folder.printable): the results would lie among the images"
    case .overwritesInput(let result, let image):
      "\(result.printable): this result for \(image.printable) would replace an image that is to be predicted"
    case .sameName(let name, let first, let second):
      "\(first.printable) and \(second.printable): the benchmark server takes one prediction of \(name.printable)"
    case .severalPredictions(let folder, let image, let first, let second):
      "\(folder.printable): \(first.printable) and \(second.printable) would both be found as the prediction of "
        + "\(image.printable) by the benchmark's script"
    case .sizeMismatch(let labels, let labelSize, let imageSize):
      "\(labels): \(labelSize), but its image is \(imageSize)"
    }
  }
}
