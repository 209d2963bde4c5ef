import Foundation
import Testing
import Weights

@Suite("Hostile files of weights")
struct HostileFileTests {
  let folder: TestFolder

  init() throws { folder = try TestFolder() }

  private func open(_ bytes: [UInt8]) throws -> StateDict { try StateDict(contentsOf: folder.file("x", bytes)) }

  /// Expects a refusal in one line that names the file and says this.
  private func expectRefusal(_ bytes: [UInt8], _ what: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let error = #expect(throws: WeightsError.self, sourceLocation: sourceLocation) { try open(bytes) }
    let text = error?.description ?? ""
    #expect(text.hasPrefix(folder.place("x") + ": ") && text.contains(what), "\(text)", sourceLocation: sourceLocation)
    #expect(!text.contains("\n") && text.utf8.count < 1000, sourceLocation: sourceLocation)
  }

  private let floats = [UInt8](repeating: 0, count: 16)

  @Test(
    "Truncated anywhere, a file is refused",
    arguments: [
      "zip.pth", "deflated.pth", "legacy.pth", "legacy-views.pth", "paddle-2.pdparams", "paddle-4.pdparams",
      "mmengine-layout.pth",
    ])
  func truncated(name: String) throws {
    let whole = try bytesOfFile(fixture("formats/" + name))
    for count in whole.indices {
      let file = try folder.file("x", Array(whole[..<count]))
      #expect(throws: WeightsError.self, "\(count)") { try StateDict(contentsOf: file) }
    }
  }

  @Test("With a bit of any byte flipped, a file with checksums is refused or gives the same network")
  func flipped() throws {
    for name in ["zip.pth", "deflated.pth"] {
      let whole = try bytesOfFile(fixture("formats/" + name))
      let right = smallNetwork(seed: 4)
      try ModelFile.load(fixture("formats/" + name), into: right)
      var refused = 0
      for position in whole.indices {
        var bytes = whole
        bytes[position] ^= 1 << UInt8(position % 8)
        let store = smallNetwork(seed: 4)
        do {
          try ModelFile.load(folder.file("x", bytes), into: store)
          #expect(contents(store) == contents(right), "\(name), byte \(position)")
        } catch is WeightsError {
          refused += 1
        }
      }
      // Padding, and records that nothing here needs, may change.
      #expect(refused > whole.count / 4)
    }
  }

  // MARK: - Code

  @Test("A pickle that calls os.system is read inertly beside tensors, and refused alone; nothing is executed")
  func system() throws {
    let witness = folder.place("executed")
    func call(_ pickle: inout CraftedPickle) {
      pickle.global("os", "system")
      pickle.op("(")
      pickle.text("touch \(witness)")
      pickle.op("t")
      pickle.op("R")
    }
    var alone = CraftedPickle()
    call(&alone)
    alone.op(".")
    expectRefusal(alone.bytes, "holds an object of the class os.system, not a state_dict")
    expectRefusal(CraftedZip.torch(alone.bytes), "holds an object of the class os.system, not a state_dict")

    let beside = CraftedPickle.dictionary { pickle in
      pickle.text("seg.bias")
      pickle.array([4], floats)
      pickle.text("evil")
      call(&pickle)
    }
    #expect(try open(beside).entries.map(\.name) == ["seg.bias"])
    // In the place of a tensor's argument.
    let within = CraftedPickle.dictionary { pickle in
      pickle.text("seg.bias")
      pickle.global("torch._utils", "_rebuild_tensor_v2")
      pickle.op("(")
      for _ in 0..<4 { call(&pickle) }
      pickle.op("t")
      pickle.op("R")
    }
    expectRefusal(within, "seg.bias is described incompletely")
    // `eval` with anything else than Paddle's own argument is no tensor.
    let evaluated = CraftedPickle.dictionary { pickle in
      pickle.text("seg.bias")
      pickle.global("builtins", "eval")
      pickle.op("(")
      pickle.text("__import__('os').system('touch \(witness)')")
      pickle.op("}")
      pickle.op("t")
      pickle.op("R")
    }
    expectRefusal(evaluated, "holds no tensors under a known name (its keys: seg.bias)")
    #expect(!FileManager.default.fileExists(atPath: witness))
  }

  // MARK: - Pickles

  @Test("A dictionary or list that contains itself ends")
  func cycles() throws {
    // {…: itself} under a wrapper's name, remembered as 0.
    var cycle = CraftedPickle()
    cycle.op("}")
    cycle.raw([0x71, 0])
    cycle.text("state_dict")
    cycle.raw([0x68, 0])
    cycle.op("s")
    cycle.op(".")
    expectRefusal(cycle.bytes, "holds no tensors under a known name (its keys: state_dict)")
    var list = CraftedPickle()
    list.op("]")
    list.raw([0x71, 0, 0x68, 0])
    list.op("a")
    list.op(".")
    expectRefusal(list.bytes, "holds no dictionary of tensors")
    // A parameter of a parameter of … itself.
    var parameter = CraftedPickle()
    parameter.op("}")
    parameter.text("x")
    parameter.global("torch._utils", "_rebuild_parameter")
    parameter.op("]")
    parameter.raw([0x71, 0])
    parameter.op("R")
    parameter.raw([0x71, 1, 0x68, 0, 0x68, 1])
    parameter.op("a")
    parameter.op("0")
    parameter.op("s")
    parameter.op(".")
    expectRefusal(parameter.bytes, "holds no tensors")
  }

  @Test("Any depth of nesting ends")
  func depth() throws {
    func pickle(_ parts: (instruction: UInt8, count: Int)...) -> [UInt8] {
      [0x80, 2] + parts.flatMap { [UInt8](repeating: $0.instruction, count: $0.count) }
    }
    expectRefusal(pickle((0x29, 1), (0x85, 300_000), (0x2E, 1)), "holds no dictionary of tensors")
    expectRefusal(pickle((0x5D, 300_000), (0x61, 299_999), (0x2E, 1)), "holds no dictionary of tensors")
    expectRefusal(pickle((0x28, 300_000)), "it is nested too deeply at byte")
    expectRefusal(pickle((0x7D, 1 << 20 + 1)), "it holds too many objects at byte")
    // A dictionary of a dictionary of …, under a wrapper's name each.
    var wrapped = CraftedPickle()
    for _ in 0..<10_000 {
      wrapped.op("}")
      wrapped.text("model")
    }
    wrapped.op("}")
    for _ in 0..<10_000 { wrapped.op("s") }
    wrapped.op(".")
    expectRefusal(wrapped.bytes, "holds no tensors under a known name (its keys: model)")
  }

  @Test("Lengths beyond the file, missing values and unknown instructions are refused with their place")
  func instructions() throws {
    let cases: [([UInt8], String)] = [
      ([0x8E] + [UInt8](repeating: 0xFF, count: 8), "ends too early at byte"),
      ([0x8E, 0, 0, 0, 0, 0, 0, 0, 0x10], "ends too early at byte"),
      ([0x58, 0xFF, 0xFF, 0xFF, 0xFF], "ends too early at byte"), ([0x8B, 0xFF, 0xFF, 0xFF, 0x7F], "ends too early"),
      ([0x63, 0x61, 0x61], "ends too early"), ([0x2E], "a value is missing"), ([0x74], "a mark is missing"),
      ([0x28, 0x52], "a value is missing"), ([0x4E, 0x28, 0x30], "a value is missing"),
      ([0x68, 9], "refers to a value that is not there"), ([0x7D, 0x28, 0x4E, 0x75], "a key has no value"),
      ([0x29, 0x4E, 0x61], "elements of something that is no list"), ([0x5D, 0x4E, 0x4E, 0x73], "no dictionary"),
      ([0x69], "instruction 0x69 is unknown"), ([0x97], "instruction 0x97 is unknown"),
    ]
    for (instructions, what) in cases { expectRefusal([0x80, 2] + instructions, what) }
    expectRefusal([0x80, 4, 0x80, 9], "its protocol 9 is unknown")
  }

  // MARK: - Tensors

  @Test("Tensors that do not fit their storages are refused by name")
  func tensors() throws {
    func torch(
      _ shape: [Int], _ strides: [Int], offset: Int = 0, key: String = "0", count: Int = 4,
      type: String = "FloatStorage"
    ) -> [UInt8] {
      CraftedZip.torch(
        CraftedPickle.dictionary { pickle in
          pickle.text("seg.bias")
          pickle.tensor(shape, strides: strides, offset: offset, key: key, count: count, type: type)
        }, storages: [("0", floats)])
    }
    #expect(try open(torch([4], [1])).entries.map(\.tensor.shape) == [[4]])
    #expect(try open(torch([2, 2], [1, 2])).entries.map(\.tensor.shape) == [[2, 2]])
    // The strides of an empty tensor mean nothing.
    let empty = try open(torch([0, 2, 2], [1, .max, .max]))
    #expect(empty.entries.map(\.tensor.shape) == [[0, 2, 2]])
    #expect(try ModelFile.convert(empty, to: folder.place("y.safetensors"), normalization: nil).count == 1)
    let misfits: [([Int], [Int], Int)] = [
      ([5], [1], 0), ([4], [1], 1), ([4], [1], -1), ([2], [-1], 3), ([2], [4], 0), ([3, 3], [1, 1], 0),
      ([-1], [1], 0), ([4], [1, 1], 0), ([1 << 40, 1 << 40], [0, 0], 0), ([0, 1 << 62, 1 << 62], [0, 0, 0], 0),
      ([2], [Int.max], 0), ([1], [1], 4),
    ]
    for (shape, strides, offset) in misfits {
      expectRefusal(torch(shape, strides, offset: offset), "seg.bias has the shape \(shape)")
    }
    expectRefusal(
      torch([5], [1], count: 5), "seg.bias needs a storage of 5 elements, but that in the file has 16 bytes")
    expectRefusal(torch([5], [1], count: 1 << 62), "seg.bias needs a storage of \(1 << 62) elements")
    expectRefusal(torch([4], [1], key: "1"), "the entry data/1 is missing")
    expectRefusal(torch([4], [1], key: "../../etc/passwd"), "the entry data/../../etc/passwd is missing")
    // Quantized and complex numbers are no weights.
    expectRefusal(torch([4], [1], type: "QInt8Storage"), "holds no tensors under a known name (its keys: seg.bias)")
  }

  @Test("An array with too few bytes, or of a shape that cannot be counted, is refused by name")
  func arrays() throws {
    func paddle(_ shape: [Int], _ type: String = "f4", isColumnMajor: Bool = false, data: [UInt8]? = nil) -> [UInt8] {
      CraftedPickle.dictionary { pickle in
        pickle.text("seg.bias")
        pickle.array(shape, type: type, isColumnMajor: isColumnMajor, data ?? floats)
      }
    }
    #expect(try open(paddle([2, 2])).entries.count == 1)
    expectRefusal(paddle([5]), "seg.bias has 16 bytes, but its shape [5] needs 20")
    expectRefusal(paddle([1 << 40, 1 << 40]), "seg.bias has data that cannot be read")
    for isColumnMajor in [false, true] {
      expectRefusal(
        paddle([0, 1 << 62, 1 << 62], isColumnMajor: isColumnMajor, data: []), "seg.bias has data that cannot be read")
    }
    expectRefusal(paddle([-4]), "seg.bias has 16 bytes, but its shape [-4] needs -16")
    expectRefusal(paddle([-2, -2]), "seg.bias has the impossible shape [-2, -2]")
    expectRefusal(paddle([4], "O"), "holds no tensors under a known name")
  }

  @Test("A tensor that repeats one number is as large as the network says, and is not written to a disk at any size")
  func expanded() throws {
    func file(_ shape: [Int]) -> [UInt8] {
      CraftedZip.torch(
        CraftedPickle.dictionary { pickle in
          pickle.text("seg.bias")
          pickle.tensor(shape, strides: shape.map { _ in 0 }, count: 1)
        }, storages: [("0", [0, 0, 0x80, 0x3F])])
    }
    let store = smallNetwork(seed: 4)
    let path = try folder.file("ones", file([5]))
    let error = #expect(throws: WeightsError.self) { try ModelFile.load(path, into: store) }
    #expect(error?.description.contains("lacks regular_stream.backbone.conv1.weight") == true)
    let large = try open(file([1 << 40, 1 << 20]))
    #expect(large.entries[0].tensor.nonFiniteCount == 0)
    let refusal = #expect(throws: WeightsError.self) {
      try ModelFile.convert(large, to: folder.place("y.safetensors"), normalization: nil)
    }
    #expect(refusal?.description.contains("repeats a few numbers of seg.bias") == true)
  }

  @Test("Tensors that share a storage may not claim far more bytes than the file")
  func shared() throws {
    let count = 1 << 20
    let file = CraftedZip.torch(
      CraftedPickle.dictionary { pickle in
        for index in 0..<2000 {
          pickle.text("x\(index)")
          pickle.tensor([count], strides: [1], count: count)
        }
      }, storages: [("0", [UInt8](repeating: 0, count: 4 * count))])
    expectRefusal(file, "its tensors claim far more than its")
  }

  @Test("A tensor under the name that safetensors reserves is not converted")
  func reservedName() throws {
    let file = try open(
      CraftedPickle.dictionary { pickle in
        pickle.text("__metadata__")
        pickle.array([4], floats)
      })
    let refusal = #expect(throws: WeightsError.self) {
      try ModelFile.convert(file, to: folder.place("y.safetensors"), normalization: nil)
    }
    #expect(refusal?.description.contains("holds a tensor named __metadata__") == true)
    #expect(!FileManager.default.fileExists(atPath: folder.place("y.safetensors")))
  }

  @Test("The values of a pickle are bounded, also those that lists have taken from the stack")
  func manyValues() throws {
    let part = [UInt8(0x28)] + [UInt8](repeating: 0x4E, count: 1 << 20) + [0x65]
    expectRefusal([0x80, 2, 0x5D] + Array((0..<17).map { _ in part }.joined()) + [0x2E], "it holds too many values")
  }

  @Test("A tensor that is there twice is refused by name")
  func twice() throws {
    let file = CraftedPickle.dictionary { pickle in
      for _ in 0..<2 {
        pickle.text("seg.bias")
        pickle.array([4], floats)
      }
    }
    expectRefusal(file, "holds seg.bias twice")
    let wrapped = CraftedPickle.dictionary { pickle in
      for name in ["seg.bias", "module.seg.bias"] {
        pickle.text(name)
        pickle.array([4], floats)
      }
    }
    let path = try folder.file("two", wrapped)
    #expect(throws: WeightsError(path, .duplicateName("seg.bias"))) {
      try ModelFile.load(path, into: smallNetwork(seed: 4))
    }
  }
}
