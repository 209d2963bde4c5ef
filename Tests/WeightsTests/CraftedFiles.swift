import CZlib

/// A pickle of protocol 2, instruction by instruction.
struct CraftedPickle {
  private(set) var bytes: [UInt8] = [0x80, 2]

  private func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  mutating func raw(_ more: [UInt8]) { bytes += more }
  mutating func op(_ character: Character) { bytes += Array(String(character).utf8) }
  mutating func text(_ text: String) { bytes += [0x58] + little(text.utf8.count, 4) + Array(text.utf8) }
  mutating func data(_ data: [UInt8]) { bytes += [0x42] + little(data.count, 4) + data }
  mutating func integer(_ value: Int) { bytes += [0x8A, 8] + little(value, 8) }
  mutating func global(_ module: String, _ name: String) { bytes += Array("c\(module)\n\(name)\n".utf8) }

  mutating func integers(_ values: [Int]) {
    op("(")
    for value in values { integer(value) }
    op("t")
  }

  /// A NumPy array, as Paddle writes it.
  mutating func array(_ shape: [Int], type: String = "f4", isColumnMajor: Bool = false, _ data: [UInt8]) {
    global("numpy.core.multiarray", "_reconstruct")
    op("(")
    global("numpy", "ndarray")
    integers([0])
    self.data([0x62])
    op("t")
    op("R")
    op("(")
    integer(1)
    integers(shape)
    global("numpy", "dtype")
    op("(")
    text(type)
    op("t")
    op("R")
    raw([isColumnMajor ? 0x88 : 0x89])
    self.data(data)
    op("t")
    op("b")
  }

  /// A tensor of PyTorch.
  mutating func tensor(
    _ shape: [Int], strides: [Int], offset: Int = 0, key: String = "0", count: Int, type: String = "FloatStorage"
  ) {
    global("torch._utils", "_rebuild_tensor_v2")
    op("(")
    op("(")
    text("storage")
    global("torch", type)
    text(key)
    text("cpu")
    integer(count)
    op("t")
    op("Q")
    integer(offset)
    integers(shape)
    integers(strides)
    raw([0x89])
    op("}")
    op("t")
    op("R")
  }

  /// A dictionary; `body` adds keys and values in turn.
  static func dictionary(_ body: (inout CraftedPickle) -> Void) -> [UInt8] {
    var pickle = CraftedPickle()
    pickle.op("}")
    pickle.op("(")
    body(&pickle)
    pickle.op("u")
    pickle.op(".")
    return pickle.bytes
  }
}

/// A zip archive with any mistakes in it.
struct CraftedZip {
  struct Entry {
    var name: String
    var data: [UInt8]
    var method = 0
    /// Inflated.
    var size: Int?
    var crc: UInt32?
    var flags = 0
  }

  private(set) var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  /// Little-endian numbers, each with its bytes.
  private static func fields(_ fields: (value: Int, bytes: Int)...) -> [UInt8] {
    fields.flatMap { field in (0..<field.bytes).map { UInt8(truncatingIfNeeded: field.value >> (8 * $0)) } }
  }

  static func crc(_ data: [UInt8]) -> UInt32 { UInt32(truncatingIfNeeded: crc32_z(0, data, data.count)) }

  /// The header before the data of an entry.
  static func local(_ entry: Entry) -> [UInt8] {
    fields(
      (0x0403_4B50, 4), (20, 2), (entry.flags, 2), (entry.method, 2), (0, 4), (0, 12), (entry.name.utf8.count, 2),
      (0, 2)) + Array(entry.name.utf8)
  }

  /// Adds an entry to the directory, with the header at `place`, or with a header and data of its own.
  mutating func add(_ entry: Entry, at place: Int? = nil) {
    let start = place ?? bytes.count
    if place == nil { bytes += Self.local(entry) + entry.data }
    directory += Self.fields(
      (0x0201_4B50, 4), (20, 2), (20, 2), (entry.flags, 2), (entry.method, 2), (0, 4),
      (Int(entry.crc ?? Self.crc(entry.data)), 4), (entry.data.count, 4), (entry.size ?? entry.data.count, 4),
      (entry.name.utf8.count, 2), (0, 12), (start, 4))
    directory += Array(entry.name.utf8)
    count += 1
  }

  /// The file, with the number of entries in its end record.
  func finished(claiming claimed: Int? = nil) -> [UInt8] {
    let end = Self.fields(
      (0x0605_4B50, 4), (0, 4), (claimed ?? count, 2), (claimed ?? count, 2), (directory.count, 4), (bytes.count, 4),
      (0, 2))
    return bytes + directory + end
  }

  /// A file of `torch.save`.
  static func torch(_ pickle: [UInt8], storages: [(key: String, data: [UInt8])] = []) -> [UInt8] {
    var zip = CraftedZip()
    zip.add(Entry(name: "a/data.pkl", data: pickle))
    for (key, data) in storages { zip.add(Entry(name: "a/data/" + key, data: data)) }
    return zip.finished()
  }
}
