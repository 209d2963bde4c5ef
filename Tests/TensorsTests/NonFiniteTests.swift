import Tensors
import Testing

@Suite("Values that are not finite")
struct NonFiniteTests {
  @Test("Infinities and NaN of every kind are counted, the largest and smallest finite numbers are not")
  func kinds() {
    let finite: [Float] = [0, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, 1]
    #expect(FloatSlice(finite).nonFiniteCount == 0)
    let others: [Float] = [.infinity, -.infinity, .nan, -Float.nan, .signalingNaN, Float(bitPattern: 0xFFFF_FFFF)]
    #expect(FloatSlice(finite + others).nonFiniteCount == 6)
    #expect(FloatSlice([]).nonFiniteCount == 0)
  }

  @Test("One is found at every place of a vector, in bytes that are not aligned")
  func places() {
    for place in 0..<67 {
      var values = [Float](repeating: 1, count: 67)
      values[place] = .nan
      let bytes = [UInt8](repeating: 0xFF, count: 3) + values.withUnsafeBytes(Array.init)
      let count = bytes.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[3...]).nonFiniteFloats }
      #expect(count == 1)
    }
  }

  @Test("One is found in every chunk, whatever the number of threads", arguments: [1, 3])
  func chunks(threads: Int) {
    let workers = WorkerPool(threads: threads)
    let floats = FloatSlice(count: 200_000)
    floats.buffer.clear()
    #expect(floats.isFinite(on: workers))
    for place in [0, 65_535, 65_536, 131_073, 199_999] {
      floats[place] = -.infinity
      #expect(!floats.isFinite(on: workers))
      #expect(!FloatSlice(floats.buffer, offset: place, count: 1).isFinite(on: workers))
      floats[place] = 0
    }
  }
}
