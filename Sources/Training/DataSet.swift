import Cityscapes
import Distributed

/// A folder of pictures, prepared by all ranks together.
package enum DataSet {
  /// Makes what training needs beside the labels, where it is not there yet; each rank works on its share of the pictures.
  ///
  /// - Returns: how many pictures were prepared, over all ranks.
  @discardableResult
  package static func prepare(
    _ root: String, splits: [Split]? = nil, communicator: Communicator, threads: Int
  ) throws -> Int {
    let layout = FolderLayout(root: root)
    let splits = try splits ?? present(in: layout)
    var made = 0
    for split in splits {
      let samples = try layout.samples(of: split)
      made += try Preparation(samples, rank: communicator.rank, ranks: communicator.size, threads: threads).run()
    }
    // Every rank reads what the others prepared.
    var sum = [made]
    communicator.restBarrier()
    communicator.sum(&sum)
    return sum[0]
  }

  /// The splits that hold pictures; at least one does.
  package static func present(in layout: FolderLayout) throws -> [Split] {
    let present = Split.allCases.filter { (try? layout.samples(of: $0)) != nil }
    // Without any, asking for one throws the error that tells how to get pictures.
    return present.isEmpty ? [try layout.samples(of: .train)[0].split] : present
  }
}
