import Cityscapes
import ArgumentParser
import Distributed
import Training

struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract: "Makes training labels, Canny edges and boundary maps beside the labels; alone or under mpirun.",
    discussion: "Files newer than their source are kept. train prepares what is missing by itself.")

  @OptionGroup var data: DataOptions
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    let communicator = try Communicator.initialize()
    let threads = threads.resolve(communicator)
    let made = try Preprocessing.runOnAllRanks(data.dataPath, communicator: communicator, threads: threads)
    if communicator.rank == 0 {
      print(
        "\(data.dataPath): "
          + (made == 0 ? "everything is prepared" : "\(made) \(made == 1 ? "image" : "images") prepared"))
    }
    communicator.finalize()
  }
}
