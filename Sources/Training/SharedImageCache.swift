import Cityscapes
import Distributed
import Foundation
import Images
import Machine

extension SharedMemorySlots: ImageCache {}

/// The cache of decoded training images that the ranks of each machine share.
package enum SharedImageCache {
  /// Makes an empty cache; image n of the split has place n, and those beyond the last place have none. Every rank
  /// takes part.
  ///
  /// - Parameters:
  ///   - gigabytes: the most that it may take on each machine, in 10⁹ bytes.
  ///   - samples: the training split.
  /// - Throws: `OptionError` where not even one image fits, or where a machine has less memory.
  static func cache(
    gigabytes: Double, for samples: [SamplePaths], communicator: Communicator
  ) throws -> SharedMemorySlots {
    let capacity = CachedSample.bytes(pixels: largest(samples, communicator))
    let asked = Int((gigabytes * 1e9).rounded(.down))
    var count = min(samples.count, asked / capacity)
    while count > 0, SharedMemorySlots.bytes(count: count, capacity: capacity) > asked { count -= 1 }
    guard count > 0 else {
      let least = String(format: "%.4f", Double(SharedMemorySlots.bytes(count: 1, capacity: capacity)) / 1e9 + 5e-5)
      throw OptionError("--cache-gb", gigabytes, "not one decoded image fits; give \(least) or more, or leave it out")
    }
    let bytes = SharedMemorySlots.bytes(count: count, capacity: capacity)
    let remedies = communicator.allGather(
      shortage(
        of: bytes, host: communicator.host, available: MachineMemory.available(),
        toShare: communicator.localSize > 1 ? SharedMemorySlots.availableMemory() : nil) ?? "")
    if let remedy = remedies.first(where: { !$0.isEmpty }) { throw OptionError("--cache-gb", gigabytes, remedy) }
    return try SharedMemorySlots(count: count, capacity: capacity, communicator: communicator)
  }

  /// Pixels of the largest image. A file that cannot be read is told of when its turn to be trained on comes.
  private static func largest(_ samples: [SamplePaths], _ communicator: Communicator) -> Int {
    let mine = stride(from: communicator.rank, to: samples.count, by: communicator.size).map { samples[$0] }
    let sizes = mine.compactMap { try? PNG.header($0.image) }.map { $0.width * $0.height }
    return max(1, communicator.allReduceMax(sizes.max() ?? 0))
  }

  /// Why so many bytes are too many for a machine, and what to do; nil where they are not.
  ///
  /// - Parameters:
  ///   - available: bytes that programs may still take.
  ///   - toShare: a folder in memory that shared bytes count in, and what there is room for; nil where they do not.
  package static func shortage(
    of bytes: Int, host: String, available: Int?, toShare: (folder: String, bytes: Int)?
  ) -> String? {
    func text(_ bytes: Int) -> String { String(format: "%.2f GB", Double(bytes) / 1e9) }
    if let available, bytes > available {
      return "\(text(bytes)) would be filled, but \(host) has \(text(available)) of memory left; give less, "
        + "which keeps some of the images, or leave it out"
    }
    if let toShare, bytes > toShare.bytes {
      return
        "\(text(bytes)) would be filled, but \(toShare.folder) on \(host) has room for \(text(toShare.bytes)); give "
        + "less, or make it larger (mount -o remount,size=… \(toShare.folder); docker run --shm-size=…; an emptyDir of "
        + "medium Memory in Kubernetes)"
    }
    return nil
  }
}
