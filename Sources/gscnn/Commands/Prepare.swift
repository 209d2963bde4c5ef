import ArgumentParser
import Cityscapes
import Distributed
import Training

struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes training labels, Canny edges and boundary maps beside the labels; alone or under mpirun.",
    discussion:
      "What exists and is newer than its source is left alone. train prepares by itself what is not prepared yet.")

  @Option(
    name: .kebabOrSnake("data-path"),
    help: .value("folder", "Folder with leftImg8bit/ and gtFine/ in Cityscapes' layout."))
  var dataPath = "data"

  @Option(help: .value("number", "Threads of each rank (default: the cores that are the rank's own)."))
  var threads: Int?

  func run() throws {
    let communicator = try Communicator.initialize()
    let threads = try computeThreads(threads, communicator)
    let made = try Preprocessing.runOnAllRanks(dataPath, communicator: communicator, threads: threads)
    if communicator.rank == 0 {
      print(
        "\(dataPath): "
          + (made == 0 ? "everything is prepared" : "\(made) \(made == 1 ? "image" : "images") prepared"))
    }
    communicator.finalize()
  }
}
