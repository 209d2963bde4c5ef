import ImageFixtures
import Images
import Tensors
import Testing

@Suite("Text in pictures")
struct LetteringTests {
  /// Text in black on white, with a margin.
  private func drawn(_ text: String, height: Int = 14) -> Image {
    let width = Lettering.width(of: text, height: height)
    var canvas = Canvas(Size(3 * height, width + 2 * height))
    canvas.write(text, x: height, y: height / 2, height: height, color: (red: 0, green: 0, blue: 0))
    return canvas.image
  }

  @Test("Every character of ASCII is drawn, and looks different from all others")
  func glyphs() {
    let characters = (0x21...0x7E).map { String(Unicode.Scalar(UInt8($0))) }
    let pictures = characters.map { drawn($0) }
    for (index, picture) in pictures.enumerated() {
      #expect(picture.pixels.contains { $0 < 64 }, "\(characters[index])")
      for other in pictures.indices where other < index {
        #expect(picture != pictures[other], "\(characters[index]) looks like \(characters[other])")
      }
    }
    #expect(!drawn(" ").pixels.contains { $0 < 255 })
  }

  @Test("A text is as wide and as tall as it says", arguments: [7, 10, 14, 33])
  func size(height: Int) {
    let text = "Egjpqy_|,; traffic light 12.3 %"
    let picture = drawn(text, height: height)
    var (columns, rows): (Set<Int>, Set<Int>) = ([], [])
    for y in 0..<picture.size.height {
      for x in 0..<picture.size.width where picture[y, x, 0] < 128 {
        columns.insert(x)
        rows.insert(y)
      }
    }
    #expect(
      columns.min() ?? 0 >= height - 1 && columns.max() ?? 0 <= height + Lettering.width(of: text, height: height))
    // From the capitals' tops to the descenders' ends.
    let extent = (rows.max() ?? 0) - (rows.min() ?? 0) + 1
    #expect(extent >= height && extent <= Lettering.lineHeight(height), "\(extent)")
  }

  @Test("Accents are dropped, known letters are spelled out, anything else is a box")
  func unicode() {
    #expect(drawn("naïve Ångström") == drawn("naive Angstrom"))
    #expect(drawn("Straße 3×4 – Œuvre") == drawn("Strasse 3x4 - OEuvre"))
    #expect(drawn("道") == drawn("\n") && drawn("道") != drawn("o"))
    #expect(drawn("道路\u{7F}🚲").pixels.contains { $0 < 64 })
  }

  @Test("A long text keeps its beginning and its end")
  func fitted() {
    let text = "aachen_000000_000019_leftImg8bit"
    let whole = Lettering.width(of: text, height: 10)
    #expect(Lettering.fitted(text, height: 10, width: whole) == text)
    let short = Lettering.fitted(text, height: 10, width: whole / 2)
    #expect(short.hasPrefix("aach") && short.hasSuffix("g8bit") && short.contains(".."))
    #expect(Lettering.width(of: short, height: 10) <= whole / 2)
    #expect(Lettering.fitted(text, height: 10, width: 3) == "")
  }

  @Test("What lies outside of a canvas is not drawn")
  func clipped() {
    var canvas = Canvas(Size(8, 8))
    canvas.write("gscnn", x: -9, y: -5, height: 30)
    canvas.fill(Image.Rect(x: -5, y: 6, Size(90, 9)), with: (red: 1, green: 2, blue: 3))
    canvas.draw(Image(Size(3, 3), channels: 1, filledWith: 7), x: 6, y: -1)
    canvas.draw(Image(Size(3, 3), channels: 1, filledWith: 9), x: 40, y: -40)
    #expect((0..<3).map { canvas.image[7, 0, $0] } == [1, 2, 3])
    #expect(canvas.image[6, 3, 0] == 1 && canvas.image[6, 4, 0] != 1 && canvas.image[5, 3, 0] != 1)
    #expect(canvas.image[1, 7, 2] == 7 && canvas.image[2, 7, 2] != 7)
  }
}

@Suite("Sheets of pictures")
struct PanelSheetTests {
  private func entries(_ count: Int) -> [Legend.Entry] {
    (0..<count).map { Legend.Entry((red: UInt8($0), green: 200, blue: UInt8(255 - $0)), "class number \($0)") }
  }

  @Test("A legend shows every color once, in as many columns as fit", arguments: [1, 19, 254])
  func legend(count: Int) {
    for width in [20, 300, 2000] {
      let legend = Legend(entries(count), width: width, textHeight: 10)
      var canvas = Canvas(Size(legend.height, width))
      legend.draw(on: &canvas, x: 0, y: 0)
      var pixels: [[UInt8]: Int] = [:]
      for pixel in stride(from: 0, to: canvas.image.pixels.count, by: 3) {
        pixels[Array(canvas.image.pixels[pixel..<pixel + 3]), default: 0] += 1
      }
      for index in 0..<count {
        #expect(pixels[[UInt8(index), 200, UInt8(255 - index)]] == 8 * 18, "class \(index), width \(width)")
      }
      if width == 2000, count == 254 { #expect(legend.height < 500) }
    }
  }

  @Test("Panels are drawn unchanged, side by side and below each other")
  func panels() {
    let panels = (0..<3).map { Image.noise(20, 30 + Int($0), channels: 3, seed: UInt64($0)) }
    let sheet = PanelSheet(
      heading: "heading", [[.init("one", panels[0]), .init("two", panels[1])], [.init("three", panels[2])]],
      legends: [("colors", entries(3)), ("none", [])], textHeight: 8
    ).drawn()
    var found: [Int: (x: Int, y: Int)] = [:]
    for y in 0..<sheet.size.height - 20 {
      for x in 0..<sheet.size.width - 32 {
        for (index, panel) in panels.enumerated() where found[index] == nil {
          guard (0..<3).allSatisfy({ sheet[y, x, $0] == panel[0, 0, $0] }) else { continue }
          if sheet.cropped(to: Image.Rect(x: x, y: y, panel.size)) == panel { found[index] = (x, y) }
        }
      }
    }
    #expect(found.count == 3)
    #expect(found[0]?.y == found[1]?.y && found[0]?.x == found[2]?.x)
    #expect(found[1]?.x ?? 0 >= (found[0]?.x ?? 0) + 32 + 8, "the widest panel of a column counts")
    #expect(found[2]?.y ?? 0 > (found[0]?.y ?? 0) + 20 + 8)
  }
}
