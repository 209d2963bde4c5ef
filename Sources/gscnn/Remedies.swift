import Cityscapes
import Distributed
import Inference
import Training
import Weights

/// What the user can do about an error of a module that does not know the command line; `nil` where the error says it
/// itself.
func remedy(for error: any Error) -> String? {
  switch error {
  case let error as FailureOnAllRanks: remedy(for: error.underlying)
  case let error as CityscapesDirectoryError: remedy(for: error)
  case let error as DistributedBatchSamplerError: remedy(for: error)
  case let error as SyntheticStreetsError: remedy(for: error)
  case let error as InferenceError: remedy(for: error)
  case let error as WeightsError: remedy(for: error.problem)
  case is SharedMemorySlotsError: "give a smaller --cache-gb"
  default: nil
  }
}

/// The exit status of an error: 2 where the call is wrong, otherwise 1.
func exitStatus(for error: any Error) -> Int32 {
  switch error {
  case let error as FailureOnAllRanks: exitStatus(for: error.underlying)
  case is OptionError, is UsageError, DistributedBatchSamplerError.moreRanksThanSamples: 2
  default: 1
  }
}

private func remedy(for error: CityscapesDirectoryError) -> String? {
  func getImages(_ root: String) -> String {
    "get Cityscapes after registering at www.cityscapes-dataset.com (csDownload -d \(root) "
      + "leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip, then unzip both there), "
      + "or generate images: gscnn synthesize --data-path \(root)"
  }
  return switch error {
  case .noImages(let root): getImages(root)
  case .emptySplit(let root, .test): "train without it by --no-test, or " + getImages(root)
  case .emptySplit(let root, _): getImages(root)
  case .unreadable: nil
  }
}

private func remedy(for error: DistributedBatchSamplerError) -> String? {
  switch error {
  case .emptyBatch: "give --batch-size 2 or more"
  case .moreRanksThanSamples(_, let ranks): "raise --batch-size to \(ranks) or more, or start fewer ranks"
  case .fewerSamplesThanBatch: "lower --batch-size, or add images"
  }
}

private func remedy(for error: SyntheticStreetsError) -> String? {
  switch error {
  case .tooSmall: "give a larger --height and --width"
  case .negative(let split, _): "give 0 or more for --\(split.rawValue)"
  case .otherImages, .folder: nil
  }
}

private func remedy(for error: InferenceError) -> String {
  switch error {
  case .cannotCreateFolder: "give one that can be written"
  case .cannotWriteReport: "give another path for --json"
  case .noSuchImage: "give SPLIT/CITY/NAME_leftImg8bit.png or the path of an RGB PNG as --input-pic"
  case .sizeMismatch: "restore the file or remove it"
  }
}

private func remedy(for problem: WeightsError.Problem) -> String? {
  switch problem {
  case .mismatch, .nothingFits: "check --backbone-type"
  default: nil
  }
}
