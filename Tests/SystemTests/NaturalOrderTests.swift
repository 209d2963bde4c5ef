import System
import Testing

@Suite("Natural order of names") struct NaturalOrderTests {
  @Test("Numbers in names count by their value")
  func numbers() {
    let names = [
      "", "a", "a0", "a1b", "a01c", "a2", "a10", "a100000000000000000000000000000", "b/frame_2.png", "b/frame_10.png",
      "frame", "frame_1.png", "frame_01.png.x", "frame_9_2", "frame_9_11", "frame_010_1", "köln_3", "köln_20",
    ]
    // Not each of these is before all later ones by bytes.
    #expect(names.sorted() != names)
    for (index, name) in names.enumerated() {
      for (other, later) in names.enumerated() {
        #expect(name.naturallyPrecedes(later) == (index < other), "\(name), \(later)")
      }
    }
  }

  @Test("Names that differ in leading zeros alone have an order")
  func zeros() {
    #expect("a01".naturallyPrecedes("a1") && !"a1".naturallyPrecedes("a01"))
    #expect(["7", "007", "07"].sorted { $0.naturallyPrecedes($1) } == ["007", "07", "7"])
  }
}
