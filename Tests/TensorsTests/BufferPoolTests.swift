import Tensors
import Testing

/// Each test has a pool of its own: other tests use the shared one meanwhile.
@Suite("Buffers")
struct BufferPoolTests {
  @Test("Memory goes back to the pool and comes out again")
  func reusesMemory() {
    let pool = BufferPool()
    func address() -> UInt { UInt(bitPattern: Buffer(count: 9_000_001, from: pool).start) }
    let first = address()
    #expect(address() == first)
    let held = Buffer(count: 9_000_001, from: pool)
    #expect(address() != UInt(bitPattern: held.start))
  }

  @Test("A somewhat smaller request is met from the pool, a much smaller one is not")
  func sharesBlocks() {
    let pool = BufferPool()
    func address(_ count: Int) -> UInt { UInt(bitPattern: Buffer(count: count, from: pool).start) }
    let large = address(14_000_000)
    #expect(address(13_000_000) == large)
    #expect(address(11_000_000) != large)
  }

  @Test(
    "Addresses are aligned for vectors, and large ones for huge pages", arguments: [0, 1, 1000, 100_003, 5_000_011])
  func aligns(count: Int) {
    let address = UInt(bitPattern: Buffer(count: count).start)
    #expect(address % (count < 1 << 20 ? 64 : 2 << 20) == 0)
  }

  @Test("Buffers that live at once do not share memory, and clearing one reaches its spare floats")
  func doNotOverlap() {
    let buffers = (0..<20).map { Buffer(count: 1000 + $0) }
    for (index, buffer) in buffers.enumerated() {
      for i in 0..<buffer.count + 16 { buffer.start[i] = Float(index) }
    }
    for (index, buffer) in buffers.enumerated() {
      #expect((0..<buffer.count + 16).allSatisfy { buffer.start[$0] == Float(index) })
      buffer.clear()
      #expect((0..<buffer.count + 16).allSatisfy { buffer.start[$0] == 0 })
    }
  }

  @Test("Trimming gives back what nobody uses, and only that")
  func trims() {
    let pool = BufferPool()
    let held = Buffer(count: 1000, from: pool)
    held.start[999] = 5
    let bytes = pool.allocatedBytes
    _ = Buffer(count: 40_000_003, from: pool)
    #expect(pool.allocatedBytes >= bytes + 160_000_000)
    pool.trim()
    #expect(pool.allocatedBytes == bytes)
    #expect(held.start[999] == 5)
  }
}
