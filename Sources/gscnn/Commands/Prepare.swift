import ArgumentParser
import Cityscapes
import Distributed
import System
import Training

struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract: "Makes train ids, Canny edges and boundary maps for all images; alone or under mpirun.",
    discussion: """
      Maps are kept while their images and labels have the same contents. train and evaluate make missing ones themselves. \
      Prints the share of each class in each split.
      """)

  @OptionGroup var data: DataOptions
  @OptionGroup var classes: ClassesOptions
  @OptionGroup var maps: PreparedOptions
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    let communicator = try Communicator.initialize()
    communicator.setAffinity()
    StopSignal.listen()
    let threads = threads.count(for: communicator)
    let table = try classes.table(communicator) ?? .cityscapes
    let splits = try CityscapesDirectory(root: data.dataPath, files: table.files).listOnAllRanks(
      nil, communicator: communicator)
    let prepared = try Preprocessing.runOnAllRanks(
      splits.flatMap(\.self), of: data.dataPath, prepared: maps.prepared, table: table, communicator: communicator,
      threads: threads, cancelled: { StopSignal.received != nil })
    if communicator.rank == 0 {
      print(prepared.report.first ?? "everything is prepared in \(prepared.folder)")
      for line in prepared.shares { print(line) }
    }
    communicator.finalize()
  }
}
