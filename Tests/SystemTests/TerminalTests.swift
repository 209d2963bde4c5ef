import System
import Testing

@Suite("Terminal") struct TerminalTests {
  @Test(
    "The first variable of the locale that is set says whether block characters are shown",
    arguments: [
      ([:], false), (["LANG": "C"], false), (["LANG": "en_US.UTF-8"], true), (["LANG": "C.utf8"], true),
      (["LANG": "en_US.UTF-8", "LC_ALL": "C"], false), (["LANG": "C", "LC_CTYPE": "de_DE.UTF-8"], true),
      (["LANG": "en_US.UTF-8", "LC_ALL": ""], true), (["LANG": "de_DE.ISO-8859-1"], false),
    ] as [([String: String], Bool)])
  func locale(environment: [String: String], isUTF8: Bool) {
    #expect(Terminal.isUTF8(locale: { environment[$0] }) == isUTF8)
  }

  @Test("Texts are cut to columns: wide characters count twice, marks not at all, and control characters go")
  func columns() {
    #expect("street".prefix(terminalColumns: 4) == "stre")
    #expect("街道images".terminalColumns == 10)
    #expect("街道images".prefix(terminalColumns: 3) == "街")
    #expect("cafe\u{301}s".prefix(terminalColumns: 4) == "cafe\u{301}")
    #expect("a\u{1B}[2Jb\nc".prefix(terminalColumns: 10) == "a[2Jbc")
    #expect("abc".prefix(terminalColumns: 0) == "")
  }

  @Test("A table aligns numbers to the right and leaves out the last columns if they do not fit")
  func table() {
    let table = TextTable([["name", "loss", "PA"], ["train", "0.5", "93.25"], ["val", "12.125", "9.5"]])
    #expect(table.lines() == ["name     loss     PA", "train     0.5  93.25", "val    12.125    9.5"])
    #expect(table.lines(columns: 19) == ["name     loss", "train     0.5", "val    12.125"])
    #expect(table.lines(columns: 6) == ["name", "train", "val"])
    #expect(TextTable([]).lines() == [])
  }
}
