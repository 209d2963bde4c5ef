import ArgumentParser

struct BatchNormGroupOptions: ParsableArguments {
  @Option(
    in: 2...1_000_000,
    help: .value(
      "images",
      "Batch norm over groups of this many consecutive images of the batch, whichever ranks hold them (default: --batch-norm)."
    ))
  var batchNormGroup: Int?
}
