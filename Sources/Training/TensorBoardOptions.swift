/// What a run writes for TensorBoard.
package struct TensorBoardOptions: Codable, Sendable, Equatable {
  package var isOn = true
  /// Epochs from one prediction of validation images to the next; 0: none.
  package var imagesEvery = 10
  /// Whether the distributions of parameters and gradients are written.
  package var histograms = false

  package init() {}

  /// Those that are not the default, except for the images.
  var settings: [(option: String, value: String)] {
    (isOn ? [] : [("--tensorboard", "false")]) + [("--tensorboard-images-every", "\(imagesEvery)")]
      + (histograms ? [("--tensorboard-histograms", "true")] : [])
  }

  /// Whether validation images are predicted after an epoch: after the first, which shows early whether it trains at all,
  /// every `imagesEvery`, and after the last.
  ///
  /// - Parameter epoch: counted from 1.
  package func wantsImages(after epoch: Int, of epochs: Int) -> Bool {
    isOn && imagesEvery > 0 && (epoch == 1 || epoch % imagesEvery == 0 || epoch == epochs)
  }
}
