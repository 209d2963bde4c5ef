import Testing
import Weights

@Suite("Hostile archives")
struct HostileArchiveTests {
  let folder: TestFolder

  init() throws { folder = try TestFolder() }

  private func expectRefusal(_ bytes: [UInt8], _ what: String, sourceLocation: SourceLocation = #_sourceLocation) throws
  {
    let file = try folder.file("x", bytes)
    let error = #expect(throws: WeightsError.self, sourceLocation: sourceLocation) { try StateDict(contentsOf: file) }
    let text = error?.description ?? ""
    #expect(text.hasPrefix("\(file): ") && text.contains(what), "\(text)", sourceLocation: sourceLocation)
    #expect(!text.contains("\n"), sourceLocation: sourceLocation)
  }

  private let pickle = CraftedPickle.dictionary { pickle in
    pickle.text("seg.bias")
    pickle.tensor([4], strides: [1], count: 4)
  }
  private let floats = [UInt8](repeating: 0, count: 16)

  @Test("Entries that overlap each other or the directory are refused")
  func overlaps() throws {
    // The second entry lies in the data of the first one.
    let inner = CraftedZip.Entry(name: "a/data/1", data: floats)
    let outer = CraftedZip.Entry(name: "a/data/0", data: CraftedZip.local(inner) + inner.data)
    var zip = CraftedZip()
    zip.add(.init(name: "a/data.pkl", data: pickle))
    zip.add(outer)
    zip.add(inner, at: zip.bytes.count - outer.data.count)
    try expectRefusal(zip.finished(), "the entries a/data/0 and a/data/1 overlap")

    var twice = CraftedZip()
    twice.add(.init(name: "a/data.pkl", data: pickle))
    twice.add(.init(name: "a/data.pkl", data: pickle), at: 0)
    try expectRefusal(twice.finished(), "holds a/data.pkl twice")

    var beyond = CraftedZip()
    beyond.add(.init(name: "a/data.pkl", data: []))
    beyond.add(.init(name: "b", data: [1, 2, 3, 4]), at: 0)
    try expectRefusal(beyond.finished(), "has another name in the zip directory")
    var directory = CraftedZip()
    var last = CraftedZip.Entry(name: "a/data.pkl", data: pickle)
    directory.add(last)
    last.data += [0, 0, 0, 0]
    var longer = CraftedZip()
    longer.add(.init(name: "first", data: directory.bytes))
    longer.add(last, at: 30 + 5)
    try expectRefusal(longer.finished(), "the entry a/data.pkl reaches into the zip directory")
  }

  @Test("A deflated entry inflates to its size and to no more than the file justifies")
  func bombs() throws {
    // A thousand zeros, deflated.
    let zeros: [UInt8] = [99, 96, 24, 5, 163, 96, 20, 12, 119, 0, 0]
    let crc: UInt32 = 0x060B_1780
    func archive(_ size: Int, crc: UInt32 = crc, data: [UInt8] = zeros, count: Int = 1) -> [UInt8] {
      var zip = CraftedZip()
      zip.add(
        .init(
          name: "a/data.pkl",
          data: CraftedPickle.dictionary { pickle in
            for index in 0..<count {
              pickle.text("x\(index)")
              pickle.tensor([250], strides: [1], key: "\(index)", count: 250)
            }
          }))
      for index in 0..<count {
        zip.add(.init(name: "a/data/\(index)", data: data, method: 8, size: size, crc: crc))
      }
      return zip.finished()
    }
    #expect(try StateDict(contentsOf: folder.file("x", archive(1000))).entries.count == 1)
    try expectRefusal(archive(999), "the entry a/data/0 cannot be inflated")
    try expectRefusal(archive(1001), "the entry a/data/0 cannot be inflated")
    try expectRefusal(archive(0), "the entry a/data/0 cannot be inflated")
    try expectRefusal(archive(1000, data: zeros + [0]), "the entry a/data/0 cannot be inflated")
    try expectRefusal(archive(1000, data: [99]), "the entry a/data/0 cannot be inflated")
    try expectRefusal(archive(1000, crc: 1), "the checksum of a/data/0 is wrong")
    try expectRefusal(archive(0xF000_0000), "inflates to far more than its")
    try expectRefusal(archive(1 << 25), "inflates to far more than its")
  }

  @Test("Encrypted entries, other methods, and directories that lie are refused")
  func directories() throws {
    func one(_ change: (inout CraftedZip.Entry) -> Void) -> [UInt8] {
      var entry = CraftedZip.Entry(name: "a/data.pkl", data: pickle)
      change(&entry)
      var zip = CraftedZip()
      zip.add(entry)
      return zip.finished()
    }
    try expectRefusal(one { $0.flags = 1 }, "is encrypted")
    try expectRefusal(one { $0.method = 14 }, "compressed by method 14, not stored or deflated")
    try expectRefusal(one { $0.size = 3 }, "the entry a/data.pkl has two sizes")
    try expectRefusal(one { $0.crc = 1 }, "the checksum of a/data.pkl is wrong")
    try expectRefusal(one { $0.name = "a/other" }, "is a zip archive without PyTorch's data.pkl (it holds a/other)")
    try expectRefusal(one { _ in }, "the entry data/0 is missing")
    var zip = CraftedZip()
    zip.add(.init(name: "a/data.pkl", data: pickle))
    try expectRefusal(zip.finished(claiming: 2), "its zip directory does not fit")
    try expectRefusal(zip.finished(claiming: 0xFFFF), "the zip64 directory is missing")
    try expectRefusal(CraftedZip().finished(), "is a zip archive without PyTorch's data.pkl (it holds nothing)")
    var script = CraftedZip()
    script.add(.init(name: "a/data.pkl", data: pickle))
    script.add(.init(name: "a/constants.pkl", data: [0x80, 2, 0x29, 0x2E]))
    try expectRefusal(script.finished(), "is a TorchScript program")
  }
}
