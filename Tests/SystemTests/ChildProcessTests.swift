import Foundation
import System
import Testing

@Suite("Child processes") struct ChildProcessTests {
  private let output = FileManager.default.temporaryDirectory.path + "/gscnn-child-\(UUID().uuidString)"

  @Test("A child reads what it is given, in order, and its status and last words are known")
  func reads() throws {
    defer { try? FileManager.default.removeItem(atPath: output) }
    let child = try ChildProcess("/bin/sh", ["-c", "cat >\"$0\"; echo one >&2; echo two >&2; exit 3", output])
    var expected = Data()
    for piece in 0..<40 {
      let bytes = [UInt8](repeating: UInt8(piece), count: 50_000)
      expected += bytes
      #expect(child.write(bytes))
    }
    let outcome = child.finish()
    #expect(outcome.status == 3)
    #expect(outcome.lastLines == "one; two")
    #expect(try Data(contentsOf: URL(fileURLWithPath: output)) == expected)
  }

  @Test("Writing to a child that has ended is no signal; one that a signal ended says so")
  func ended() throws {
    let child = try ChildProcess("/bin/sh", ["-c", "kill -9 $$"])
    var isReading = true
    for _ in 0..<10000 where isReading { isReading = child.write([UInt8](repeating: 0, count: 4096)) }
    #expect(!isReading)
    #expect(child.finish().status == 128 + 9)
  }

  @Test("A child that says much does not stop; the end of it is kept")
  func talkative() throws {
    let child = try ChildProcess(
      "/bin/sh", ["-c", "cat >/dev/null; i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done"])
    #expect(child.write([1, 2, 3]))
    let outcome = child.finish()
    #expect(outcome.status == 0)
    #expect(outcome.lastLines.hasPrefix("line ") && outcome.lastLines.utf8.count < 4096)
  }

  @Test("Programs are found in PATH; one that cannot be started is an error")
  func find() {
    #expect(ChildProcess.find("sh")?.hasSuffix("/sh") == true)
    #expect(ChildProcess.find("no such program") == nil)
    #expect(throws: FileError.self) { try ChildProcess("/nowhere/ffmpeg", []) }
  }

  @Test("A child that is not needed any more is ended with its object")
  func killed() throws {
    var child: ChildProcess? = try ChildProcess(
      "/bin/sh", ["-c", "echo $$ >\"$0\"; cat >/dev/null; sleep 1000", output])
    defer { try? FileManager.default.removeItem(atPath: output) }
    #expect(child?.write([1]) == true)
    var id: pid_t?
    while id == nil {
      id = (try? String(contentsOfFile: output, encoding: .utf8)).flatMap {
        pid_t($0.trimmingCharacters(in: .newlines))
      }
      usleep(1000)
    }
    child = nil
    #expect(kill(try #require(id), 0) == -1 && errno == ESRCH)
  }
}
