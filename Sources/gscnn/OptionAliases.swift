/// The names that options of a training have in mmsegmentation, PaddleSeg and PyTorch's examples, where the closest
/// spelling would mislead.
enum OptionAliases {
  private static let options = [
    "lr": "--learning-rate", "base-lr": "--learning-rate", "min-lr": "--final-learning-rate",
    "end-lr": "--final-learning-rate", "iters": "--max-steps", "max-iters": "--max-steps",
    "warmup-iters": "--warmup-steps", "warmup-ratio": "--warmup-start-lr", "grad-clip": "--clip-norm",
    "clip-grad": "--clip-norm", "max-norm": "--clip-norm", "accumulate-steps": "--accumulate", "ema": "--ema-decay",
    "use-ema": "--ema-decay", "patience": "--early-stop", "crop-size": "--crop-h and --crop-w",
    "work-dir": "--save-path", "save-dir": "--save-path", "load-from": "--pretrained", "resume-from": "--resume",
    "resume-model": "--resume", "val-interval": "--validate-every", "save-interval": "--checkpoint-every",
    "class-weight": "--class-weights", "data-root": "--data-path", "dataset": "--data-path",
  ]

  /// - Parameter message: of the argument parser.
  /// - Returns: `nil` if it does not report an unknown option with such a name.
  static func usageError(_ message: String) -> UsageError? {
    guard let range = message.firstRange(of: "Unknown option '--") else { return nil }
    let written = String(message[range.upperBound...].prefix { $0 != "'" && $0 != "=" })
    return options[written.split(separator: "_").joined(separator: "-").lowercased()].map {
      UsageError("unknown option '--\(written)': it is \($0) here; see gscnn train --help")
    }
  }
}
