import ArgumentParser
import Training

/// What `train` writes for TensorBoard.
struct TensorBoardGroup: ParsableArguments {
  @Flag(inversion: .prefixedNo, help: "Write curves and images for TensorBoard to P/tensorboard.")
  var tensorboard = defaults.tensorBoard.isOn

  @Option(
    in: 0...1_000_000,
    help: .value("epochs", "Epochs between predictions of four validation images for TensorBoard; 0: none."))
  var tensorboardImagesEvery = defaults.tensorBoard.imagesEvery

  @Flag(help: "Write the distributions of parameters and gradients for TensorBoard after each epoch.")
  var tensorboardHistograms = false

  func validate() throws {
    guard tensorboard || !tensorboardHistograms else {
      throw ValidationError("--tensorboard-histograms needs --tensorboard; leave out one of the two")
    }
  }

  var options: TensorBoardOptions {
    var options = TensorBoardOptions()
    options.isOn = tensorboard
    options.imagesEvery = tensorboardImagesEvery
    options.histograms = tensorboardHistograms
    return options
  }
}
