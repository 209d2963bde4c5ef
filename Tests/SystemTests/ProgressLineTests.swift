import Synchronization
import System
import Testing

/// A progress line with a clock and a screen of its own.
private final class Screen: Sendable {
  let time = Mutex(1000.0)
  let columns = Mutex(80)
  private let pieces = Mutex<[String]>([])

  func line(redraws: Bool, isUTF8: Bool = true) -> ProgressLine {
    ProgressLine(
      redraws: redraws, columns: { self.columns.withLock { $0 } }, isUTF8: isUTF8,
      write: { text in self.pieces.withLock { $0.append(text) } }, now: { self.time.withLock { $0 } })
  }

  func wait(_ seconds: Double) { time.withLock { $0 += seconds } }

  /// What was written since the last call.
  func take() -> [String] {
    pieces.withLock { pieces in
      defer { pieces = [] }
      return pieces
    }
  }

  /// The line drawn last, without what clears the one before.
  func drawn() -> String? { take().last.map { String($0.dropFirst(StandardError.clearLine.count)) } }
}

@Suite("Progress line") struct ProgressLineTests {
  @Test("Work of less than two seconds shows nothing, on a terminal or elsewhere", arguments: [false, true])
  func short(redraws: Bool) {
    let screen = Screen()
    let line = screen.line(redraws: redraws)
    for _ in 0..<20 {
      line.during("validating", of: 10, unit: "images") {
        for _ in 0..<10 {
          screen.wait(0.19)
          line.advance()
          line.tick()
        }
      }
      screen.wait(5)
    }
    #expect(screen.take() == [])
  }

  @Test("A terminal shows a bar, what is done and what is left, and an empty line at the end")
  func terminal() {
    let screen = Screen()
    let line = screen.line(redraws: true)
    line.during("validating", of: 500, unit: "images") {
      screen.wait(66)
      line.update { $0.done = 10 }
      #expect(screen.take() == ["\r\u{1B}[Kvalidating ················ 10 of 500 images, 53 min left"])
      screen.wait(1)
      line.update { $0.done = 250 }
      #expect(screen.drawn() == "validating ████████········ 250 of 500 images, 1 min 7 s left")
      // The image takes long: the time left goes on.
      screen.wait(5)
      line.tick()
      #expect(screen.drawn() == "validating ████████········ 250 of 500 images, 1 min 2 s left")
    }
    #expect(screen.take() == ["\r\u{1B}[K"])
  }

  @Test("Drawings are at least a tenth of a second apart")
  func pace() {
    let screen = Screen()
    let line = screen.line(redraws: true)
    line.begin("painting streets", of: 100_000, unit: "images", delay: 0)
    for _ in 0..<1000 {
      screen.wait(0.001)
      line.advance()
    }
    #expect((10...11).contains(screen.take().count))
  }

  @Test("The end of a piece of work is drawn even if the last drawing was a moment ago")
  func end() {
    let screen = Screen()
    let line = screen.line(redraws: true)
    line.begin("epoch 1/60", of: 2, delay: 0)
    line.advance()
    #expect(screen.drawn()?.hasPrefix("epoch 1/60 ████████········ 1/2") == true)
    line.update { $0.notes = ["loss 0.8"] }
    #expect(screen.take() == [])
    line.advance()
    #expect(screen.drawn()?.hasPrefix("epoch 1/60 ████████████████ 2/2, loss 0.8") == true)
    line.update { $0.notes = ["loss 0.7"] }
    #expect(screen.take() == [])
  }

  @Test("Elsewhere each phase has a line a minute, also if nothing gets on, and no more than that")
  func log() {
    let screen = Screen()
    let line = screen.line(redraws: false)
    line.begin("validating", of: 500, from: 100, unit: "images")
    for _ in 0..<70 {
      screen.wait(1)
      line.tick()
    }
    #expect(screen.take() == ["validating: 100 of 500 images, 1 min 0 s so far\n"])
    for _ in 0..<4 {
      screen.wait(20)
      line.advance()
    }
    // Three images in 130 seconds.
    #expect(screen.take() == ["validating: 103 of 500 images, 4 h 46 min left\n"])
    line.line("epoch 1/2 in 2 min 30 s")
    #expect(screen.take() == ["epoch 1/2 in 2 min 30 s\n"])
    line.end()
    // The minute counts from the last line.
    line.begin("loading weights")
    for _ in 0..<59 {
      screen.wait(1)
      line.tick()
    }
    #expect(screen.take() == [])
    screen.wait(1)
    line.tick()
    #expect(screen.take() == ["loading weights: 1 min 0 s so far\n"])
    line.end()
    screen.wait(1000)
    line.tick()
    #expect(screen.take() == [])
  }

  @Test("A silence before the work is no part of its minute")
  func idle() {
    let screen = Screen()
    let line = screen.line(redraws: false)
    line.line("start")
    screen.wait(500)
    line.during("exporting") {
      screen.wait(10)
      line.tick()
    }
    #expect(screen.take() == ["start\n"])
  }

  @Test("Inner work is shown in place of the outer one, which then goes on")
  func nested() {
    let screen = Screen()
    let line = screen.line(redraws: true)
    line.begin("epoch 1/60", of: 743, delay: 0)
    line.update { $0.done = 100 }
    #expect(screen.drawn() == "epoch 1/60 ██·············· 100/743, 0 s so far")
    line.during("restoring the checkpoint") {
      screen.wait(1)
      line.tick()
      #expect(screen.take() == [])
      screen.wait(2)
      line.tick()
      #expect(screen.drawn() == "restoring the checkpoint 3 s so far")
    }
    #expect(screen.take() == [])
    screen.wait(1)
    line.update { $0.secondsLeft = 300_000 }
    #expect(screen.drawn() == "epoch 1/60 ██·············· 100/743, 3 d 11 h left")
    #expect(line.works.map(\.title) == ["epoch 1/60"])
  }

  @Test("The line fits every width that the terminal has while it runs", arguments: [true, false])
  func widths(isUTF8: Bool) {
    let screen = Screen()
    let line = screen.line(redraws: true, isUTF8: isUTF8)
    line.begin("epoch 12/60", of: 743, delay: 0)
    var texts: [String] = []
    for columns in [200, 80, 64, 48, 40, 30, 20, 12, 5, 2, 1] {
      screen.columns.withLock { $0 = columns }
      screen.wait(1)
      line.update { work in
        work.done = 371
        work.notes = ["loss 0.8123", "0.28 images/s"]
        work.secondsLeft = 195_000
      }
      let text = screen.drawn() ?? ""
      #expect(text.count <= max(1, columns - 1) && (isUTF8 || text.utf8.count == text.count), "\(columns): \(text)")
      texts.append(text)
    }
    let bar = isUTF8 ? "███████·········" : "#######........."
    #expect(
      texts == [
        "epoch 12/60 \(bar) 371/743, loss 0.8123, 0.28 images/s, 2 d 6 h left",
        "epoch 12/60 \(bar) 371/743, loss 0.8123, 0.28 images/s, 2 d 6 h left",
        "epoch 12/60 371/743, loss 0.8123, 0.28 images/s, 2 d 6 h left",
        "epoch 12/60 371/743, loss 0.8123, 2 d 6 h left", "epoch 12/60 371/743, 2 d 6 h left",
        "371/743, 2 d 6 h left", "371/743", "371/743", "371/", "3", "3",
      ])
  }

  @Test("A hidden line counts, and writes nothing")
  func hidden() {
    let screen = Screen()
    let line = screen.line(redraws: false)
    line.hide()
    line.begin("validating", of: 5, unit: "images")
    screen.wait(100)
    line.advance()
    line.line("text")
    #expect(screen.take() == [] && line.works.first?.done == 1)
  }

  @Test(
    "Durations have two units",
    arguments: [
      (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (3599.4, "59 min 59 s"),
      (3600, "1 h 0 min"), (90_061, "25 h 1 min"), (172_800, "2 d 0 h"), (.infinity, "?"), (.nan, "?"), (-3, "0 s"),
    ])
  func durations(seconds: Double, text: String) { #expect(String(duration: seconds) == text) }
}
