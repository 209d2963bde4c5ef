import Foundation
import Jobs
import Reports
import System
import Testing
import Training

/// The page in a real browser.
@Suite("Reports in Chromium", .enabled(if: Browser.path != nil, "needs chromium"), .serialized)
struct BrowserTests {
  @Test("At 400 and 1400 pixels nothing overlaps, nothing is wider than the page, and the console has no error")
  func layout() throws {
    let run = try RunFiles()
    try run.write(RunFiles.steps(count: 10, perEpoch: 100), to: "_steps.csv")
    let long = "a class whose name is far longer than a column of a phone"
    let names = ["road", long, "thisnamehasnospaceatallandislongerthanthescreen"]
    try run.write(RunFiles.description(classes: names), to: "_run.json")
    try run.write(RunFiles.validation(classes: names), to: "_validation.json")
    let other = try RunFiles("other", seed: 3)
    let pages = [
      RunReport(RunRecord(run.prefix), dataPath: nil).text,
      ComparisonReport([run, other].map { RunRecord($0.prefix) }).text,
    ]
    for text in pages {
      let result = try Browser.measure(text, widths: [400, 1400], in: run.folder)
      #expect(result.errors == [])
      #expect(result.frames.map(\.width) == [400, 1400])
      for frame in result.frames {
        #expect(frame.contentWidth <= frame.width)
        #expect(frame.texts > 100)
        #expect(frame.overlaps == [])
        #expect(frame.outside == [])
      }
    }
  }

  @Test("The figures in the page, and what the tooltips say, are those of the CSV files")
  func figures() throws {
    let run = try RunFiles()
    let result = try Browser.measure(
      RunReport(RunRecord(run.prefix), dataPath: nil).text, widths: [1400], in: run.folder)
    let frame = try #require(result.frames.first)
    #expect(frame.figures == (try run.column("val_class_mIOU", of: "_statistics.csv")).compactMap(\.self))
    // The arrow keys choose epoch 3, then 2.
    #expect(
      frame.tooltips == [
        "epoch 3, train 36, val 30.5, val, average of weights 31.75",
        "epoch 2, train 33.5, val 31.25, val, average of weights 30.5",
      ])
    #expect(frame.reading.hasPrefix("sky predicted as road: 275 pixels, 91.67"))
  }
}

/// Headless Chromium.
enum Browser {
  static let path: String? = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  struct Result: Decodable {
    let frames: [Frame]
    /// Of the console and of scripts.
    var errors: [String]
  }

  struct Frame: Decodable {
    /// Pixels that the page has.
    let width: Int
    /// Pixels that it takes.
    let contentWidth: Int
    let texts: Int
    /// Pairs of texts that lie over each other.
    let overlaps: [String]
    /// Texts beyond the page that no scrolling region holds.
    let outside: [String]
    /// The column `val` of the chart of class mIoU.
    let figures: [Double]
    let tooltips: [String]
    /// What is said of the second row's first cell of the confusion matrix.
    let reading: String
  }

  /// Opens a page in frames of these widths, and measures it there.
  static func measure(_ page: String, widths: [Int], in folder: String) throws -> Result {
    let hooked = page.replacing("<head>", with: "<head><script>\(hook)</script>", maxReplacements: 1)
    let quoted = HTML.tag("i", ["title": hooked]) {}.rendered.dropFirst("<i title=\"".count).dropLast("\"></i>".count)
    let frames = widths.map { "<iframe style=\"width:\($0)px;height:900px;border:0\" srcdoc=\"\(quoted)\"></iframe>" }
    let file = folder + "/measured.html"
    try Data(
      "<!DOCTYPE html><meta charset=utf-8><body>\(frames.joined())<script>\(measurement)</script>".utf8
    ).write(to: URL(fileURLWithPath: file))
    let job = try Job.run(
      command: [
        path ?? "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--user-data-dir=\(folder)/browser", "--window-size=2000,1000", "--hide-scrollbars", "--enable-logging=stderr",
        "--v=0",
        "--virtual-time-budget=10000", "--dump-dom", "file://\(file)",
      ], limit: 60)
    let document = job.output.joined(separator: "\n")
    guard let start = document.range(of: "<pre id=\"result\">"), let end = document.range(of: "</pre><!--end-->") else {
      throw Job.Failure.ended(before: "it measured the page", errors: job.errors)
    }
    let json = document[start.upperBound..<end.lowerBound].replacing("&lt;", with: "<").replacing("&gt;", with: ">")
      .replacing("&nbsp;", with: "\u{A0}").replacing("&amp;", with: "&")
    var result = try JSONDecoder().decode(Result.self, from: Data(json.utf8))
    result.errors += job.errors.filter { $0.contains(":CONSOLE") }
    return result
  }

  /// Collects the errors of a page's scripts and of its console.
  private static let hook = """
    window.problems = [];
    addEventListener("error", (event) => problems.push(String(event.message || event.target.tagName)), true);
    addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective));
    for (const kind of ["error", "warn"]) console[kind] = (...words) => problems.push(words.join(" "));
    """

  private static let measurement = """
    addEventListener("load", () => {
      const errors = [];
      const frames = [...document.querySelectorAll("iframe")].map((frame) => {
        const page = frame.contentDocument, view = frame.contentWindow;
        errors.push(...view.problems);
        // Texts, each with the part of it that is not scrolled away.
        const texts = [];
        const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const node = walker.currentNode, parent = node.parentElement;
          if (!node.textContent.trim() || parent.closest("script, style, title, nav, .hidden, .skip")) continue;
          const details = parent.closest("details:not([open])");
          if (details && !parent.closest("summary")) continue;
          const range = page.createRange();
          range.selectNodeContents(node);
          let clip = { left: -1e9, top: -1e9, right: 1e9, bottom: 1e9 };
          const region = parent.closest(".scroll");
          if (region) clip = region.getBoundingClientRect();
          const sticky = parent.closest(".matrix");
          for (const box of range.getClientRects()) {
            const left = Math.max(box.left, clip.left), right = Math.min(box.right, clip.right);
            const top = Math.max(box.top, clip.top), bottom = Math.min(box.bottom, clip.bottom);
            if (right - left < 1 || bottom - top < 1 || getComputedStyle(parent).visibility === "hidden") continue;
            texts.push({ left, right, top, bottom, text: node.textContent.trim(), sticky, node });
          }
        }
        const overlaps = [];
        texts.sort((one, other) => one.top - other.top);
        texts.forEach((one, index) => {
          for (let next = index + 1; next < texts.length && texts[next].top < one.bottom - 1; next++) {
            const other = texts[next];
            if (one.node === other.node || one.sticky && other.sticky) continue;
            if (one.left < other.right - 1 && other.left < one.right - 1) overlaps.push(one.text + " | " + other.text);
          }
        });
        const width = page.documentElement.clientWidth;
        const outside = texts.filter((text) => text.left < -1 || text.right > width + 1).map((text) => text.text);
        const contentWidth = page.documentElement.scrollWidth;

        const chart = [...page.querySelectorAll("figure.chart")]
          .find((figure) => figure.textContent.startsWith("Class mIoU"));
        const names = [...chart.querySelectorAll("thead th")].map((cell) => cell.textContent);
        const figures = names.includes("val")
          ? [...chart.querySelectorAll("tbody tr")].map((row) => Number(row.cells[names.indexOf("val")].dataset.value)) : [];
        const plot = chart.querySelector(".plot"), tooltips = [];
        for (const key of ["End", "ArrowLeft"]) {
          plot.dispatchEvent(new view.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
          tooltips.push(plot.getAttribute("aria-valuetext"));
          const tip = plot.querySelector(".tip").getBoundingClientRect(), box = plot.getBoundingClientRect();
          if (tip.left < box.left - 1 || tip.right > box.right + 1) errors.push("a tooltip leaves its chart");
        }
        const cell = page.querySelector(".matrix tbody tr:nth-child(2) td");
        if (cell) cell.dispatchEvent(new view.FocusEvent("focusin", { bubbles: true }));
        const reading = cell ? page.querySelector(".reading").textContent : "";
        return { width, contentWidth, texts: texts.length, overlaps: overlaps.slice(0, 5), outside: outside.slice(0, 5),
           figures, tooltips, reading };
      });
      const result = document.createElement("pre");
      result.id = "result";
      result.textContent = JSON.stringify({ frames, errors });
      document.body.append(result, document.createComment("end"));
    });
    """
}
