import Tensors
import Testing

@Suite("Random numbers")
struct RandomNumbersTests {
  @Test("Names hash to the published FNV-1a values")
  func hashesNames() {
    #expect(RandomNumbers.hash("") == 0xCBF2_9CE4_8422_2325)
    #expect(RandomNumbers.hash("a") == 0xAF63_DC4C_8601_EC8C)
    #expect(RandomNumbers.hash("foobar") == 0x8594_4171_F739_67E8)
  }

  @Test("The stream of a name is SplitMix64 seeded with its hash")
  func namedStream() {
    var random = RandomNumbers(named: "regular_stream.backbone.conv1.0.weight")
    #expect(random.next() == 0xF8AA_EBA7_1879_EFCC)
    #expect(random.next() == 0x8CC1_04C2_AF20_3FCE)
    #expect(random.next() == 0x0DF8_ED36_42DF_20FC)
    var symmetric = RandomNumbers(named: "regular_stream.backbone.conv1.0.weight")
    #expect(
      (0..<3).map { _ in symmetric.uniform(in: -1..<1) } == [
        0.9427160024642944, 0.0996403694152832, -0.8908408880233765,
      ])
  }

  @Test("A stream depends on the words, their number and their order")
  func wordsDetermineStream() {
    func first(_ random: RandomNumbers) -> UInt64 {
      var random = random
      return random.next()
    }
    #expect(first(RandomNumbers(1, 2, 3)) == first(RandomNumbers(1, 2, 3)))
    let streams = [
      RandomNumbers(), RandomNumbers(0), RandomNumbers(1), RandomNumbers(2), RandomNumbers(0, 0), RandomNumbers(0, 1),
      RandomNumbers(1, 0), RandomNumbers(1, 2), RandomNumbers(2, 1), RandomNumbers(1, 2, 0), RandomNumbers(0, 1, 2),
    ]
    #expect(Set(streams.map(first)).count == streams.count)
  }

  @Test("Numbers are in range and have the moments of their distributions")
  func distributions() {
    var random = RandomNumbers(7)
    let count = 20_000
    let units = (0..<count).map { _ in Double(random.uniform()) }
    #expect(units.allSatisfy { (0..<1).contains($0) })
    #expect(abs(mean(units) - 0.5) < 0.01 && abs(variance(units) - 1.0 / 12) < 0.003)

    let symmetric = (0..<count).map { _ in random.uniform(in: -1..<1) }
    #expect(symmetric.allSatisfy { (-1..<1).contains($0) })
    #expect(abs(mean(symmetric)) < 0.02 && abs(variance(symmetric) - 1.0 / 3) < 0.01)

    let normal = (0..<count).map { _ in Double(random.normal()) }
    #expect(abs(mean(normal)) < 0.03 && abs(variance(normal) - 1) < 0.04)
    let beyondTwo = normal.count { abs($0) > 2 }
    #expect(abs(Double(beyondTwo) / Double(count) - 0.0455) < 0.006)
  }

  @Test("uniform(below:) is uniform")
  func integers() {
    var random = RandomNumbers(8)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[random.uniform(below: 7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    #expect((0..<100).allSatisfy { _ in random.uniform(below: 1) == 0 })
  }

  private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

  private func variance(_ values: [Double]) -> Double {
    let mean = mean(values)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
  }
}
