import Cityscapes
import Distributed
import Foundation
import Images
import Machine

/// The cache of decoded training images that the ranks of each machine share.
extension SharedMemorySlots: ImageCache {
  /// Allocates an empty cache: image n of the split has slot n, images beyond the last slot have none. Collective.
  ///
  /// - Parameters:
  ///   - gigabytes: the most memory that it may use on each machine, in 10⁹ bytes.
  ///   - samples: the training split.
  ///   - classes: of the data set.
  /// - Throws: `OptionError` if not even one image fits, or if a machine has less memory.
  static func imageCache(
    gigabytes: Double, for samples: [SamplePaths], classes: Int, communicator: Communicator
  ) throws -> SharedMemorySlots {
    let capacity = slotBytes(pixels: maximumPixels(samples, communicator), classes: classes)
    let limit = Int((gigabytes * 1e9).rounded(.down))
    var count = min(samples.count, limit / capacity)
    while count > 0, bytes(count: count, capacity: capacity) > limit { count -= 1 }
    guard count > 0 else {
      let minimum = String(format: "%.4f", Double(bytes(count: 1, capacity: capacity)) / 1e9 + 5e-5)
      throw OptionError(
        "--cache-gb", gigabytes, "not one decoded image fits; give \(minimum) or more, or leave it out")
    }
    let remedies = communicator.allGather(
      shortage(
        of: bytes(count: count, capacity: capacity), host: communicator.host, available: MachineMemory.available(),
        toShare: communicator.localSize > 1 ? SharedMemorySlots.availableMemory() : nil) ?? "")
    if let remedy = remedies.first(where: { !$0.isEmpty }) { throw OptionError("--cache-gb", gigabytes, remedy) }
    return try allocate(count: count, capacity: capacity, communicator: communicator)
  }

  /// Pixels of the largest image. Collective. Files that cannot be read are left out: training reports them when it
  /// needs them.
  package static func maximumPixels(_ samples: [SamplePaths], _ communicator: Communicator) -> Int {
    let share = stride(from: communicator.rank, to: samples.count, by: communicator.size).map { samples[$0] }
    let sizes = share.compactMap { try? Photograph.size($0.image) }.map { $0.width * $0.height }
    return max(1, communicator.allReduceMax(sizes.max() ?? 0))
  }

  /// Why a machine cannot hold so many bytes, and the remedy; nil if it can.
  ///
  /// - Parameters:
  ///   - available: bytes of memory that programs can still allocate.
  ///   - toShare: the folder that holds shared memory, and its free bytes; nil if no memory is shared.
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
