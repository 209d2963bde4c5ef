import Distributed
import Testing

@Suite("Messages beside MPI")
struct ControlMessageTests {
  private let messages = [
    ControlMessage(.hello, [.max, 3]), ControlMessage(.activity, [1, -2, 0]), ControlMessage(.hush),
    ControlMessage(.failed, [75], text: "rank 1 on höst: FILE: is truncated"),
  ]

  @Test("Messages arrive as they were sent, in whatever pieces")
  func pieces() throws {
    var (buffer, arrived) = ([UInt8](), [ControlMessage]())
    for byte in messages.flatMap(\.bytes) {
      buffer.append(byte)
      arrived += try #require(ControlMessage.take(from: &buffer))
    }
    #expect(arrived == messages)
    #expect(buffer == [])
  }

  @Test("A text that is too long is cut")
  func longText() throws {
    var bytes = ControlMessage(.failed, [1], text: String(repeating: "x", count: 1 << 20)).bytes
    let message = try #require(ControlMessage.take(from: &bytes)?.first)
    #expect(message.text.count < ControlMessage.mostBytes && message.text.count > 1 << 15)
  }

  @Test("What no rank sends is refused, whatever it is")
  func strangers() {
    var (accepted, refused) = (0, 0)
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max {
        var bytes: [UInt8] = [first, second, 0, 0, first, second, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
        if ControlMessage.take(from: &bytes) == nil { refused += 1 } else { accepted += 1 }
      }
    }
    #expect(refused > 0 && accepted > 0)
    for text in ["GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"] {
      var bytes = Array(text.utf8)
      #expect(ControlMessage.take(from: &bytes) == nil)
    }
  }

  @Test(
    "Networks and interfaces are chosen as MPI chooses them",
    arguments: [
      ("eth1", "eth1", "10.0.0.1", true), ("eth1", "eth10", "10.0.0.1", false),
      ("10.0.0.0/24", "eth0", "10.0.0.77", true), ("10.0.0.0/24", "eth0", "10.0.1.77", false),
      ("docker0,172.17.0.0/16", "br0", "172.17.3.1", true), ("0.0.0.0/0", "br0", "172.17.3.1", true),
      ("10.0.0.0/40", "eth0", "10.0.0.1", false), ("10.0.0.0/24", "eth0", "fd00::1", false),
      ("", "eth0", "1.2.3.4", false),
    ])
  func networks(list: String, interface: String, address: String, matches: Bool) {
    #expect(NetworkAddresses.matches(list, interface, address) == matches)
  }
}
