import Glibc
import System

/// A best-fit allocator over a reserved address range. Adjacent free blocks are coalesced, so that tensors of one shape
/// can reuse the memory of another shape.
///
/// Reserving the range costs no memory until it is touched. The range asks for transparent huge pages: without them,
/// tensor arithmetic spends up to a tenth of its time on address translation (TLB misses).
struct Arena: ~Copyable {
  /// A memory mapping. Addresses from `top` on have never been allocated.
  private struct Region {
    let mapping: UnsafeMutableRawPointer
    let mappedBytes: Int
    let end: UInt
    var top: UInt
  }

  /// Free memory below the top of a region.
  private struct Span {
    var start: UInt
    var end: UInt
    /// Bytes of the span that are backed by physical memory.
    var resident: Int
    var bytes: Int { Int(end - start) }
  }

  private let alignment: Int
  private let reservation: Int
  private var regions: [Region] = []
  /// Sorted by address; no two spans are adjacent.
  private var spans: [Span] = []

  /// Bytes of physical memory obtained from the system and not returned.
  private(set) var residentBytes = 0
  /// Number of allocations that needed more physical memory.
  private(set) var growthCount = 0

  /// - Parameters:
  ///   - alignment: of sizes and addresses, in bytes; a power of two.
  ///   - reservation: bytes of address space to reserve.
  init(alignment: Int, reservation: Int) {
    self.alignment = alignment
    self.reservation = reservation
  }

  deinit { for region in regions { munmap(region.mapping, region.mappedBytes) } }

  /// Bytes of physical memory of this machine.
  static var physicalMemory: Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) }

  /// Allocates from the smallest free span that is large enough, or from new memory; nil if the system has none.
  mutating func allocate(_ requested: Int) -> BufferPool.Block? {
    let bytes = requested.roundedUp(toMultipleOf: alignment)
    var best: Int?
    for index in spans.indices where spans[index].bytes >= bytes {
      if let other = best, spans[other].bytes <= spans[index].bytes { continue }
      best = index
    }
    guard let index = best ?? grow(by: bytes) else { return nil }
    let start = spans[index].start
    // The resident part of the span counts as used first.
    let fresh = max(0, bytes - spans[index].resident)
    if fresh > 0 { growthCount += 1 }
    residentBytes += fresh
    spans[index].resident -= bytes - fresh
    spans[index].start += UInt(bytes)
    if spans[index].bytes == 0 { spans.remove(at: index) }
    return UnsafeMutableRawPointer(bitPattern: start).map { BufferPool.Block(address: $0, bytes: bytes) }
  }

  mutating func free(_ block: BufferPool.Block) {
    let start = UInt(bitPattern: block.address)
    insert(Span(start: start, end: start + UInt(block.bytes), resident: block.bytes))
  }

  /// Returns the physical memory of all free spans to the system.
  mutating func trim() {
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    for index in spans.indices {
      // Pages shared with an allocated block stay.
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

  /// Raises the top of a region, or reserves another region, until a free span has `bytes`.
  ///
  /// - Returns: the index of that span; nil if the system has no memory.
  private mutating func grow(by bytes: Int) -> Int? {
    for index in regions.indices {
      let top = regions[index].top
      let free = spans.last(where: { $0.end == top })?.bytes ?? 0
      if Int(regions[index].end - top) >= bytes - free { return raise(index, by: bytes - free) }
    }
    guard let region = Self.reserve(atLeast: bytes, preferred: reservation) else { return nil }
    regions.append(region)
    return raise(regions.count - 1, by: bytes)
  }

  private mutating func raise(_ index: Int, by bytes: Int) -> Int {
    let top = regions[index].top
    regions[index].top += UInt(bytes)
    return insert(Span(start: top, end: top + UInt(bytes), resident: 0))
  }

  /// Maps a region of `preferred` bytes, or of fewer where address space is limited (`ulimit -v`) or memory overcommit
  /// is off.
  private static func reserve(atLeast bytes: Int, preferred: Int) -> Region? {
    let hugePage = 2 << 20
    var size = max(bytes, preferred)
    while true {
      let mapped = size + hugePage
      let mapping = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
      if let mapping, mapping != MAP_FAILED {
        madvise(mapping, mapped, MADV_HUGEPAGE)
        let start = (UInt(bitPattern: mapping) + UInt(hugePage - 1)) & ~UInt(hugePage - 1)
        return Region(mapping: mapping, mappedBytes: mapped, end: start + UInt(size), top: start)
      }
      guard size > bytes else { return nil }
      size = max(bytes, min(size / 2, 512 << 20))
    }
  }

  // MARK: - Free spans

  /// Adds a free span and coalesces it with adjacent ones. Spans of different regions are never adjacent: a region ends
  /// before its mapping does.
  ///
  /// - Returns: the index of the span.
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
