import Distributed
import Images
import Inference

extension InferenceOptions.Extent {
  /// Of image files. Collective: each rank reads the headers of its share. Files that cannot be read are left out: whoever
  /// needs them reports them.
  package init(of images: [String], _ communicator: Communicator) {
    let share = stride(from: communicator.rank, to: images.count, by: communicator.size)
    let sizes = share.compactMap { try? Photograph.size(images[$0]) }
    self.init(
      pixels: max(1, communicator.allReduceMax(sizes.map { $0.height * $0.width }.max() ?? 0)),
      width: max(1, communicator.allReduceMax(sizes.map(\.width).max() ?? 0)))
  }
}
