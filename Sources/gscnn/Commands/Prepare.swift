import ArgumentParser
import Cityscapes
import Distributed
import Training

struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract: "Writes train ids, Canny edges and boundary maps beside the label files; alone or under mpirun.",
    discussion: "Files that are newer than their source are kept. train and evaluate prepare missing files themselves.")

  @OptionGroup var data: DataOptions
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    let communicator = try Communicator.initialize()
    communicator.setAffinity()
    let threads = threads.count(for: communicator)
    _ = try CityscapesDirectory(root: data.dataPath).listOnAllRanks(nil, communicator: communicator)
    let made = try Preprocessing.runOnAllRanks(data.dataPath, communicator: communicator, threads: threads)
    if communicator.rank == 0 {
      print(
        "\(data.dataPath): "
          + (made == 0 ? "everything is prepared" : "\(made) \(made == 1 ? "image" : "images") prepared"))
    }
    communicator.finalize()
  }
}
