import Glibc
import Tensors
import Testing

/// Each test has a pool of its own: other tests use the shared one meanwhile.
@Suite("Buffers")
struct BufferPoolTests {
  private let pool = BufferPool()

  private func buffer(_ count: Int) -> Buffer { Buffer(count: count, from: pool) }
  private func address(_ buffer: Buffer) -> UInt { UInt(bitPattern: buffer.start) }

  @Test("Memory goes back to the pool and comes out again", arguments: [100, 9_000_001])
  func reusesMemory(count: Int) {
    let first = address(buffer(count))
    #expect(address(buffer(count)) == first)
    let held = buffer(count)
    #expect(address(held) == first)
    #expect(address(buffer(count)) != first)
  }

  @Test("InterpolationTaps that are given back, in any order, become one: memory goes to another shape", arguments: 0..<6)
  func joinsNeighbors(order: Int) {
    var neighbors: [Buffer?] = (0..<3).map { _ in buffer(1_000_000) }
    let wall = buffer(1_000_000)
    let (bytes, growths) = (pool.allocatedBytes, pool.systemAllocations)
    var indices = [0, 1, 2]
    neighbors[indices.remove(at: order / 2)] = nil
    neighbors[indices.remove(at: order % 2)] = nil
    neighbors[indices[0]] = nil
    let joined = buffer(3_000_000)
    #expect(address(joined) < address(wall))
    #expect(pool.allocatedBytes == bytes)
    #expect(pool.systemAllocations == growths)
  }

  @Test("A request takes the smallest gap that is large enough")
  func bestFit() {
    let sizes = [900_000, 300_000, 500_000, 700_000]
    var gaps: [Buffer?] = []
    var walls: [Buffer] = []
    for size in sizes {
      gaps.append(buffer(size))
      walls.append(buffer(100_000))
    }
    let places = gaps.map { $0.map(address) }
    gaps = []
    #expect(address(buffer(400_000)) == places[2])
    #expect(address(buffer(600_000)) == places[3])
    #expect(address(buffer(800_000)) == places[0])
    #expect(address(buffer(300_000)) == places[1])
    #expect(walls.count == 4)
  }

  @Test("Small buffers do not lie between large ones")
  func smallOnesApart() {
    let first = buffer(1_000_000)
    let small = buffer(1000)
    let second = buffer(1_000_000)
    #expect(!(address(first)...address(second)).contains(address(small)))
  }

  @Test("Addresses are aligned for vectors and cache lines", arguments: [0, 1, 1000, 100_003, 5_000_011])
  func aligns(count: Int) {
    #expect(address(buffer(count)) % 64 == 0)
  }

  @Test("However buffers come and go, those that live at once share no memory, spare floats included")
  func doNotOverlap() {
    var random = RandomNumbers(named: "buffers")
    var alive: [(buffer: Buffer, mark: Float)] = []
    func isWhole(_ buffer: Buffer, _ mark: Float) -> Bool {
      // The ends and some floats between: an overlap of two runs covers an end of one of them.
      [0, 1, buffer.count / 2, buffer.count + 14, buffer.count + 15].allSatisfy { buffer.start[$0] == mark }
    }
    for step in 0..<3000 {
      if alive.count > 40 || alive.count > 4 && random.uniform(below: 2) == 0 {
        let (buffer, mark) = alive.remove(at: random.uniform(below: alive.count))
        #expect(isWhole(buffer, mark))
      } else {
        let new = buffer(random.uniform(below: 5) == 0 ? 100_000 + random.uniform(below: 400_000) : 2 + random.uniform(below: 70_000))
        for index in 0..<new.count + 16 { new.start[index] = Float(step) }
        alive.append((new, Float(step)))
      }
      if step % 500 == 250 { pool.trim() }
    }
    for (buffer, mark) in alive { #expect(isWhole(buffer, mark)) }
    #expect(pool.allocatedBytes >= pool.liveBytes && pool.liveBytes > 0)
    alive = []
    #expect(pool.liveBytes == 0)
    pool.trim()
    #expect(pool.allocatedBytes == 0)
  }

  @Test("Clearing reaches the spare floats")
  func clears() {
    let buffer = buffer(1000)
    for index in 0..<1016 { buffer.start[index] = 1 }
    buffer.clear()
    #expect((0..<1016).allSatisfy { buffer.start[$0] == 0 })
  }

  @Test("The same requests take the same growth, and repeated ones none")
  func grows() {
    func requests(of pool: BufferPool) -> [Int] {
      (0..<4).map { _ in
        var kept: [Buffer] = []
        for index in 1...40 {
          let passing = Buffer(count: 50_000 * (index % 7 + 1), from: pool)
          kept.append(Buffer(count: 30_000 * (index % 5 + 1), from: pool))
          passing.start[0] = 1
        }
        return pool.allocatedBytes
      }
    }
    let bytes = requests(of: pool)
    #expect(Set(bytes[1...]).count == 1, "\(bytes)")
    #expect(requests(of: BufferPool()) == bytes)
  }

  @Test("Trimming gives back what nobody uses, and only that")
  func trims() {
    let below = buffer(1_000_000)
    var gap: Buffer? = buffer(1_000_000)
    let above = buffer(1_000_000)
    (below.start[999_999], above.start[0]) = (5, 6)
    let bytes = pool.allocatedBytes
    let freed = gap.map { ($0.count + 16) * 4 } ?? 0
    gap = nil
    _ = buffer(40_000_003)
    #expect(pool.allocatedBytes >= bytes + 160_000_000)
    pool.trim()
    #expect(pool.allocatedBytes <= bytes - freed && pool.allocatedBytes >= pool.liveBytes)
    #expect(below.start[999_999] == 5 && above.start[0] == 6)
    // The gap is taken from the system again.
    let growths = pool.systemAllocations
    gap = buffer(1_000_000)
    #expect(pool.allocatedBytes == bytes && pool.systemAllocations == growths + 1)
  }

  @Test("The peak is the most that was in use at once since it was asked to begin again")
  func peak() {
    let held = buffer(1_000_000)
    _ = buffer(3_000_000)
    #expect(pool.peakBytes >= 16_000_000)
    #expect(pool.liveBytes >= 4_000_000 && pool.liveBytes < 5_000_000)
    pool.resetPeak()
    _ = buffer(1_000_000)
    #expect(pool.peakBytes >= 8_000_000 && pool.peakBytes < 9_000_000)
    #expect(held.count == 1_000_000)
  }

  #if compiler(>=6.2)
    @Test("Under a limit on addresses the pool takes what it needs, bit by bit")
    func limitedAddresses() async {
      await #expect(processExitsWith: .success) {
        limitAddresses(toFurther: 3 << 30)
        let pool = BufferPool()
        let buffers = (0..<16).map { _ in Buffer(count: 32 << 20, from: pool) }
        #expect(Set(buffers.map(\.start)).count == 16)
      }
    }

    @Test("When memory is out, one line says how much was asked for and what to do")
    func outOfMemory() async throws {
      let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
        limitAddresses(toFurther: 1 << 30)
        let pool = BufferPool()
        let held = Buffer(count: 1 << 20, from: pool)
        let buffer = Buffer(count: 1 << 29, from: pool)
        _ = (held, buffer)
      }
      let message = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
      #expect(
        message.contains(
          "gscnn: out of memory: 2048 MiB more are not to be had beside 4 MiB in use; "
            + "lower --batch-size or the crop, or raise the limit (ulimit -v)\n"))
    }
  #endif
}

/// Lets this process map so many bytes more and no further.
private func limitAddresses(toFurther bytes: UInt) {
  var pages: UInt = 0
  if let file = fopen("/proc/self/statm", "r") {
    var line = [CChar](repeating: 0, count: 200)
    if fgets(&line, 200, file) != nil { pages = strtoul(line, nil, 10) }
    fclose(file)
  }
  let limit = pages * UInt(sysconf(Int32(_SC_PAGESIZE))) + bytes
  var limits = rlimit(rlim_cur: limit, rlim_max: limit)
  setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limits)
}
