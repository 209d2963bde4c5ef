import Distributed
import Glibc

extension RankProgram {
  /// Every rank visits all slots three times, fills those that it can claim and reads the published ones; rank 0 first
  /// claims slot `lost` and never publishes it.
  static func slots(_ communicator: Communicator, count: Int, lost: Int) throws {
    let words = 5000
    let slots = try SharedMemorySlots.allocate(count: count, capacity: 8 * words, communicator: communicator)
    if communicator.rank == 0, lost >= 0 { _ = slots.claim(lost) }
    communicator.sleepingBarrier()
    var (filled, wrong) = (0, 0)
    for _ in 0..<3 {
      for slot in 0..<count {
        if let slotBytes = slots.contents(of: slot) {
          for word in 0..<words where slotBytes.load(fromByteOffset: 8 * word, as: Int.self) != slot * words + word {
            wrong += 1
          }
        } else if let slotBytes = slots.claim(slot) {
          for word in 0..<words { slotBytes.storeBytes(of: slot * words + word, toByteOffset: 8 * word, as: Int.self) }
          filled += 1
          slots.publish(slot)
        }
      }
    }
    communicator.sleepingBarrier()
    let published = (0..<count).count { slots.contents(of: $0) != nil }
    var total = [filled]
    communicator.allReduceSum(&total)
    communicator.report("filled \(total[0]) published \(published) wrong \(wrong)")
    communicator.report("beyond \(slots.contents(of: count) == nil && slots.claim(count) == nil)")
    slots.close()
  }
}
