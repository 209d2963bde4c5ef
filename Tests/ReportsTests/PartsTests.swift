import Foundation
import Jobs
import Reports
import Testing

@Suite("Parts of reports")
struct PartsTests {
  @Test("CSV files are read with quotes, empty fields and any line ends")
  func csv() throws {
    let table = try #require(CSVTable("a,\"b,\"\"x\"\"\",c\r\n1,,\"2\n3\"\r\n,\"\",4\n".utf8))
    #expect(table.columns == ["a", "b,\"x\"", "c"])
    #expect(table.rows == [["1", "", "2\n3"], ["", "", "4"]])
    #expect(table.damaged == 0 && !table.isTorn)
    #expect(table.numbers("a") == [1, nil])
    #expect(table.numbers("d") == nil)
  }

  @Test("Lines with too few or too many values, and with bytes that are no text, are counted; an unfinished one is not")
  func damagedCSV() throws {
    let table = try #require(
      CSVTable(Array("epoch,x\n1,2\n1\n1,2,3\n".utf8) + [0xFF, 0x2C, 0x31, 0x0A] + Array("2,3\n4".utf8)))
    #expect(table.rows == [["1", "2"], ["2", "3"]])
    #expect(table.damaged == 3)
    #expect(table.isTorn)
    #expect(CSVTable("".utf8) == nil && CSVTable("epoch".utf8) == nil)
    let keyed = try #require(CSVTable("epoch,x\n0,1\nx,1\n-1,1\n2,1\n".utf8)?.requiring(integers: ["epoch"]))
    #expect(keyed.rows == [["2", "1"]] && keyed.damaged == 3)
  }

  @Test("Numbers read as people write them")
  func figures() {
    #expect(Figures.percent(0.63931) == "63.93\u{202F}%")
    #expect(Figures.percent(nil) == "–")
    #expect(
      Figures.points(-0.005) == "−0.50" && Figures.points(0.0125) == "+1.25" && Figures.points(-0.00001) == "0.00")
    #expect(Figures.count(1_234_567) == "1\u{202F}234\u{202F}567" && Figures.count(12) == "12")
    #expect(Figures.count(1, "image") == "1 image" && Figures.count(2, "image") == "2 images")
    #expect(
      [0.0004, 0.25, 3.2, 12.5, 75, 4000, 200_000].map {
        Figures.duration($0).replacingOccurrences(of: "\u{A0}", with: " ")
      }
        == ["0 ms", "250 ms", "3.20 s", "12.5 s", "1 min 15 s", "1 h 6 min", "2 d 7 h"])
    #expect(
      [0.01, 12.345678, 1e-5, -3, .infinity, .nan].map(Figures.number)
        == ["0.01", "12.35", "1e−05", "−3", "∞", "not a number"])
  }

  @Test("A shell reads quoted words as they were")
  func shell() throws {
    let words = ["a b", "it's", "$HOME `x` \\", "", "plain-1.0/x", "--a=b", "*", "#", "~", "\"", "a\nb", "straße"]
    let job = try Job.run(command: ["sh", "-c", "printf '%s\\0' " + Shell.quoted(words)])
    #expect(
      job.output.joined(separator: "\n").split(separator: "\0", omittingEmptySubsequences: false).dropLast().map(
        String.init) == words)
    #expect(Shell.quoted(["gscnn", "--a=b", "x y"]) == "gscnn --a=b 'x y'")
  }

  @Test("Text in attributes and elements is escaped once")
  func html() {
    let element = HTML.tag("p", ["title": "a \"b\" & <c>", "hidden": "", "lang": nil]) {
      "1 < 2 & 'x'"
      HTML.tag("br")
    }
    #expect(
      element.rendered
        == "<p title=\"a &quot;b&quot; &amp; &lt;c&gt;\" hidden>1 &lt; 2 &amp; &#39;x&#39;<br></p>")
  }
}
