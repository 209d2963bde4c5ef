import Cityscapes
import Distributed
import Inference
import SyntheticStreets
import System
import Training
import Weights

/// What the user can do about an error of a target that does not know the command line; `nil` if the error says it
/// itself.
///
/// - Parameter command: the subcommand that failed.
func remedy(for error: any Error, in command: String?) -> String? {
  switch error {
  case let error as FailureOnAllRanks: remedy(for: error.underlying, in: command)
  case let error as CityscapesDirectoryError: error.optionRemedy
  case let error as DistributedBatchSamplerError: error.optionRemedy
  case let error as SyntheticStreetsError: error.optionRemedy
  case let error as InferenceError: error.optionRemedy
  case let error as WeightsError: error.problem.optionRemedy(in: command)
  case is NonFiniteValue: "time fewer --steps"
  case is SharedMemorySlotsError: "give a smaller --cache-gb"
  default: nil
  }
}

/// The exit status of an error: 2 for a wrong command line, otherwise 1.
func exitStatus(for error: any Error) -> Int32 {
  switch error {
  case let error as FailureOnAllRanks: exitStatus(for: error.underlying)
  case let error as StopRequested: error.status
  case is OptionError, is UsageError, DistributedBatchSamplerError.moreRanksThanSamples: 2
  case is PreparingStopped: StopSignal.received ?? StopSignal.temporaryFailure
  default: 1
  }
}

extension CityscapesDirectoryError {
  fileprivate var optionRemedy: String? {
    func getImages(_ root: String) -> String {
      "get Cityscapes after registering at www.cityscapes-dataset.com (mkdir -p \(root); csDownload -d \(root) "
        + "leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip; unzip both there), "
        + "or generate images: gscnn synthesize --data-path \(root)"
    }
    return switch self {
    case .noImages(let root): getImages(root)
    case .elsewhere(_, let other): "give --data-path \(other)"
    case .emptySplit(let root, .test): "train with --test never, evaluate another --split, or " + getImages(root)
    case .emptySplit(let root, _): getImages(root)
    case .otherNames, .unreadable, .nested, .inTwoSplits: nil
    case .noMatch(_, _, .test):
      "train with --test never, evaluate another --split, or put the images of the split there"
    case .noMatch: "correct --data-path, or \"images\" and \"splits\" in the file of --classes"
    }
  }
}

extension DistributedBatchSamplerError {
  fileprivate var optionRemedy: String? {
    switch self {
    case .emptyBatch: "give --batch-size 2 or more"
    case .moreRanksThanSamples(_, let ranks): "raise --batch-size to \(ranks) or more, or start fewer ranks"
    case .fewerSamplesThanBatch: "lower --batch-size, or add images"
    }
  }
}

extension SyntheticStreetsError {
  fileprivate var optionRemedy: String? {
    switch self {
    case .tooSmall: "give a larger --height and --width"
    case .negative(let split, _): "give 0 or more for --\(split.rawValue)"
    case .otherImages, .folder: nil
    }
  }
}

extension InferenceError {
  fileprivate var optionRemedy: String? {
    switch self {
    case .cannotCreateFolder, .cannotWriteFolder: "give one that can be written as --output or --export"
    case .missingPredictions: nil
    case .notFinite: "give weights from before the training diverged"
    case .nothingToMeasure: "give --export FOLDER to write predictions alone, without --json, or another --split"
    case .cannotWriteArchive: "give another path for --export"
    case .cannotWriteReport: "give another path for --json"
    case .cannotWritePicture: "give another path for --contact-sheet"
    case .cannotWriteVideo: "give another path for --video, or leave it out"
    case .noFFmpeg: "install it (apt-get install ffmpeg), or leave out --video"
    case .noGroundTruth: "leave out --errors"
    case .tooLargeView: "give a smaller --width"
    case .noImages, .noSuchInput, .noList: "name PNG or JPEG files, folders of them, '*.png' or @LIST"
    case .outputIsInput: "give another folder as --output or --export"
    case .overwritesInput: "give another folder as --output or --export"
    case .sameName: "predict them separately, or rename one"
    case .severalPredictions: "give an empty folder as --export"
    case .noSuchImage: "give SPLIT/CITY/NAME_leftImg8bit.png or the path of an RGB PNG or a JPEG as --input-pic"
    case .noSuchImageBelow: "give its path below --data-path, or the path of a PNG or JPEG, as --input-pic"
    case .sizeMismatch: "restore the file or remove it"
    }
  }
}

extension WeightsError.Problem {
  fileprivate func optionRemedy(in command: String?) -> String? {
    switch self {
    // The other commands find the backbone in the file.
    case .mismatch, .nothingFits: command == "train" ? "check --backbone-type" : nil
    default: nil
    }
  }
}
