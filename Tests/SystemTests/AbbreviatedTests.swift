import System
import Testing

@Suite("Lines of one kind") struct AbbreviatedTests {
  @Test("The first five are shown and the others counted")
  func five() {
    let lines = (1...2975).map { "image \($0)" }
    #expect(lines.abbreviated() == ["image 1", "image 2", "image 3", "image 4", "image 5", "… and 2970 more"])
    #expect(lines.prefix(5).map(\.self).abbreviated() == Array(lines.prefix(5)))
  }
}
