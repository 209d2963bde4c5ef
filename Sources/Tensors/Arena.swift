import Glibc

/// A range of addresses from which memory is handed out by best fit and in which neighbors that are given back become
/// one again, so that memory goes from tensors of one shape to those of another.
///
/// The range is reserved at once and costs nothing until it is touched. It is backed by huge pages where the system has them:
/// arithmetic on tensors spends up to a tenth of its time on address translation without.
struct Arena: ~Copyable {
  /// A part of the address space. What lies from `top` on was never handed out.
  private struct Region {
    let mapping: UnsafeMutableRawPointer
    let mapped: Int
    let end: UInt
    var top: UInt
  }

  /// Free memory below the top of a region.
  private struct Span {
    var start: UInt
    var end: UInt
    /// Bytes of it that the system has given already.
    var resident: Int
    var bytes: Int { Int(end - start) }
  }

  private let grain: Int
  private let reservation: Int
  private var regions: [Region] = []
  /// Sorted by address; no two of them are neighbors.
  private var spans: [Span] = []

  /// Bytes that the system has given and that were not given back to it.
  private(set) var residentBytes = 0
  /// How often more of them were needed.
  private(set) var growths = 0

  /// - Parameters:
  ///   - grain: requests are rounded up to a multiple of it, and addresses are multiples of it; a power of two.
  ///   - reservation: bytes of addresses to reserve.
  init(grain: Int, reservation: Int) {
    self.grain = grain
    self.reservation = reservation
  }

  deinit { for region in regions { munmap(region.mapping, region.mapped) } }

  /// Bytes of this machine's memory.
  static var physicalMemory: Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) }

  /// The smallest free span that is large enough, or else fresh memory; nil if the system has none.
  mutating func take(_ wanted: Int) -> BufferPool.Block? {
    let bytes = (wanted + grain - 1) & ~(grain - 1)
    var best: Int?
    for index in spans.indices where spans[index].bytes >= bytes {
      if let other = best, spans[other].bytes <= spans[index].bytes { continue }
      best = index
    }
    guard let index = best ?? grown(by: bytes) else { return nil }
    let start = spans[index].start
    // Memory that the system has given already is counted as used first.
    let fresh = max(0, bytes - spans[index].resident)
    if fresh > 0 { growths += 1 }
    residentBytes += fresh
    spans[index].resident -= bytes - fresh
    spans[index].start += UInt(bytes)
    if spans[index].bytes == 0 { spans.remove(at: index) }
    return UnsafeMutableRawPointer(bitPattern: start).map { BufferPool.Block(address: $0, bytes: bytes) }
  }

  mutating func giveBack(_ block: BufferPool.Block) {
    let start = UInt(bitPattern: block.address)
    insert(Span(start: start, end: start + UInt(block.bytes), resident: block.bytes))
  }

  /// Gives the memory of all free spans back to the system.
  mutating func trim() {
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    for index in spans.indices {
      // A page that a neighbor has a part of stays.
      let (first, end) = ((spans[index].start + page - 1) & ~(page - 1), spans[index].end & ~(page - 1))
      if first < end, let address = UnsafeMutableRawPointer(bitPattern: first) {
        madvise(address, Int(end - first), MADV_DONTNEED)
      }
      residentBytes -= spans[index].resident
      spans[index].resident = 0
    }
    for index in regions.indices {
      guard let last = spans.lastIndex(where: { $0.end == regions[index].top }) else { continue }
      regions[index].top = spans[last].start
      spans.remove(at: last)
    }
  }

  // MARK: - Growing

  /// Raises a region's top, or reserves another region, until a free span has `bytes`; its index.
  private mutating func grown(by bytes: Int) -> Int? {
    for index in regions.indices {
      let top = regions[index].top
      let free = spans.last(where: { $0.end == top })?.bytes ?? 0
      if Int(regions[index].end - top) >= bytes - free { return raise(index, by: bytes - free) }
    }
    guard let region = Self.reserved(atLeast: bytes, atBest: reservation) else { return nil }
    regions.append(region)
    return raise(regions.count - 1, by: bytes)
  }

  private mutating func raise(_ index: Int, by bytes: Int) -> Int {
    let top = regions[index].top
    regions[index].top += UInt(bytes)
    return insert(Span(start: top, end: top + UInt(bytes), resident: 0))
  }

  /// Where there is a limit on addresses (`ulimit -v`), or memory is promised to nobody twice, regions are no larger
  /// than is needed soon.
  private static func reserved(atLeast bytes: Int, atBest: Int) -> Region? {
    let hugePage = 2 << 20
    var size = max(bytes, atBest)
    while true {
      let mapped = size + hugePage
      let mapping = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
      if let mapping, mapping != MAP_FAILED {
        madvise(mapping, mapped, MADV_HUGEPAGE)
        let start = (UInt(bitPattern: mapping) + UInt(hugePage - 1)) & ~UInt(hugePage - 1)
        return Region(mapping: mapping, mapped: mapped, end: start + UInt(size), top: start)
      }
      guard size > bytes else { return nil }
      size = max(bytes, min(size / 2, 512 << 20))
    }
  }

  // MARK: - Free spans

  /// Adds a span to the free ones, joined with its neighbors; its index. Regions are never neighbors: the end of each lies
  /// short of its mapping's.
  @discardableResult
  private mutating func insert(_ span: Span) -> Int {
    var (low, high) = (0, spans.count)
    while low < high {
      let middle = (low + high) / 2
      if spans[middle].start < span.start { low = middle + 1 } else { high = middle }
    }
    let joinsNext = low < spans.count && spans[low].start == span.end
    if low > 0, spans[low - 1].end == span.start {
      spans[low - 1].end = span.end
      spans[low - 1].resident += span.resident
      if joinsNext {
        spans[low - 1].end = spans[low].end
        spans[low - 1].resident += spans[low].resident
        spans.remove(at: low)
      }
      return low - 1
    }
    if joinsNext {
      spans[low].start = span.start
      spans[low].resident += span.resident
    } else {
      spans.insert(span, at: low)
    }
    return low
  }
}
