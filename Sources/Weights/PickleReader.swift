/// Reads a pickle of protocol 2 to 5: a stack machine, of which calls are recorded and not made.
///
/// Memory is bounded by the bytes that are there and by fixed limits: each instruction is at least one byte and makes at
/// most one value.
///
/// Source: the instructions in CPython's Lib/pickletools.py; those that `torch.save` writes in PyTorch's
/// torch/_weights_only_unpickler.py.
struct PickleReader {
  /// Why a pickle cannot be read, and where.
  struct Failure: Error, Equatable {
    let what: String
    let position: Int
  }

  private static let mostNodes = 1 << 20
  private static let mostValues = 1 << 22
  private static let mostPushes = 1 << 24
  private static let mostMemos = 1 << 20
  private static let mostMarks = 1 << 16

  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var stack: [Pickle.Value] = []
  private var pushes = 0
  private var marks: [Int] = []
  private var memo: [Int: Pickle.Value] = [:]
  private var nodes: [Pickle.Node] = []

  private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Reads the pickle at the beginning of `bytes`.
  static func read(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> Pickle {
    var reader = PickleReader(bytes)
    while try reader.step() {}
    let root = try reader.pop()
    return Pickle(bytes: bytes, nodes: reader.nodes, root: root, count: reader.position)
  }

  private func failure(_ what: String) -> Failure { Failure(what: what, position: position) }

  // MARK: - Bytes

  private mutating func take(_ count: Int) throws(Failure) -> Range<Int> {
    guard count >= 0, count <= bytes.count - position else { throw failure("it ends too early") }
    defer { position += count }
    return position..<position + count
  }

  private mutating func number<Number: FixedWidthInteger>(_: Number.Type) throws(Failure) -> Number {
    let range = try take(MemoryLayout<Number>.size)
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: Number.self))
  }

  private mutating func byte() throws(Failure) -> Int { Int(try number(UInt8.self)) }
  private mutating func length32() throws(Failure) -> Int { Int(try number(UInt32.self)) }

  private mutating func length64() throws(Failure) -> Int {
    guard let length = Int(exactly: try number(UInt64.self)) else { throw failure("it ends too early") }
    return length
  }

  /// The text up to the end of the line.
  private mutating func line() throws(Failure) -> Pickle.Value {
    let start = position
    while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
    guard position < bytes.count else { throw failure("it ends too early") }
    defer { position += 1 }
    return .text(start..<position)
  }

  /// A little-endian integer in two's complement of any length.
  private mutating func integer(bytes count: Int) throws(Failure) -> Pickle.Value {
    let range = try take(count)
    guard count <= 8 else { return .opaque }
    var value: UInt64 = 0
    for (index, byte) in bytes[range].enumerated() { value |= UInt64(byte) << (8 * UInt64(index)) }
    guard count > 0 else { return .integer(0) }
    let unused = UInt64(64 - 8 * count)
    return .integer(Int(Int64(bitPattern: value << unused) >> Int64(unused)))
  }

  // MARK: - The stack

  private mutating func push(_ value: Pickle.Value) throws(Failure) {
    pushes += 1
    guard stack.count < Self.mostValues, pushes <= Self.mostPushes else { throw failure("it holds too many values") }
    stack.append(value)
  }

  private mutating func pushNode(_ kind: Pickle.Node.Kind, _ elements: [Pickle.Value] = []) throws(Failure) {
    guard nodes.count < Self.mostNodes else { throw failure("it holds too many objects") }
    nodes.append(Pickle.Node(kind: kind, elements: elements))
    try push(.node(nodes.count - 1))
  }

  /// The last value above the last mark.
  private mutating func pop() throws(Failure) -> Pickle.Value {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else { throw failure("a value is missing") }
    return value
  }

  private func top() throws(Failure) -> Pickle.Value {
    guard stack.count > marks.last ?? 0, let value = stack.last else { throw failure("a value is missing") }
    return value
  }

  private mutating func pop(_ count: Int) throws(Failure) -> [Pickle.Value] {
    guard stack.count - count >= marks.last ?? 0 else { throw failure("a value is missing") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  /// The values above the last mark, which is removed.
  private mutating func popToMark() throws(Failure) -> [Pickle.Value] {
    guard let mark = marks.popLast() else { throw failure("a mark is missing") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  /// Sets keys and values in the container that is on top of the stack.
  private mutating func set(_ items: [Pickle.Value]) throws(Failure) {
    guard items.count.isMultiple(of: 2) else { throw failure("a key has no value") }
    guard case .node(let index) = try top() else { return }
    switch nodes[index].kind {
    case .dictionary: nodes[index].elements += items
    case .object: nodes[index].items += items
    default: throw failure("items of something that is no dictionary")
    }
  }

  private mutating func append(_ items: [Pickle.Value]) throws(Failure) {
    guard case .node(let index) = try top() else { return }
    switch nodes[index].kind {
    case .list, .set: nodes[index].elements += items
    // A list of a class of its own, which nothing here needs.
    case .object: break
    default: throw failure("elements of something that is no list")
    }
  }

  private mutating func memoize(_ index: Int) throws(Failure) {
    guard memo.count < Self.mostMemos else { throw failure("it remembers too many values") }
    memo[index] = try top()
  }

  private mutating func recall(_ index: Int) throws(Failure) {
    guard let value = memo[index] else { throw failure("it refers to a value that is not there") }
    try push(value)
  }

  // MARK: - Instructions

  /// - Returns: false at the end of the pickle.
  private mutating func step() throws(Failure) -> Bool {
    let instruction = try byte()
    switch instruction {
    case 0x80:  // PROTO
      let version = try byte()
      guard (2...5).contains(version) else { throw failure("its protocol \(version) is unknown") }
    case 0x95: _ = try take(8)  // FRAME
    case 0x2E: return false  // STOP
    case 0x28:  // MARK
      guard marks.count < Self.mostMarks else { throw failure("it is nested too deeply") }
      marks.append(stack.count)
    case 0x30: _ = try pop()  // POP
    case 0x31: _ = try popToMark()  // POP_MARK
    case 0x32: try push(top())  // DUP

    case 0x4E: try push(.none)  // NONE
    case 0x88: try push(.boolean(true))  // NEWTRUE
    case 0x89: try push(.boolean(false))  // NEWFALSE
    case 0x4B: try push(.integer(byte()))  // BININT1
    case 0x4D: try push(.integer(Int(number(UInt16.self))))  // BININT2
    case 0x4A: try push(.integer(Int(number(Int32.self))))  // BININT
    case 0x8A: try push(integer(bytes: byte()))  // LONG1
    case 0x8B: try push(integer(bytes: length32()))  // LONG4
    case 0x47: try push(.float(Double(bitPattern: number(UInt64.self).byteSwapped)))  // BINFLOAT

    case 0x8C, 0x55: try push(.text(take(byte())))  // SHORT_BINUNICODE, SHORT_BINSTRING
    case 0x58, 0x54: try push(.text(take(length32())))  // BINUNICODE, BINSTRING
    case 0x8D: try push(.text(take(length64())))  // BINUNICODE8
    case 0x43: try push(.bytes(take(byte())))  // SHORT_BINBYTES
    case 0x42: try push(.bytes(take(length32())))  // BINBYTES
    case 0x8E, 0x96: try push(.bytes(take(length64())))  // BINBYTES8, BYTEARRAY8

    case 0x5D: try pushNode(.list)  // EMPTY_LIST
    case 0x7D: try pushNode(.dictionary)  // EMPTY_DICT
    case 0x29: try pushNode(.tuple)  // EMPTY_TUPLE
    case 0x8F: try pushNode(.set)  // EMPTY_SET
    case 0x85, 0x86, 0x87: try pushNode(.tuple, pop(instruction - 0x84))  // TUPLE1 to TUPLE3
    case 0x74: try pushNode(.tuple, popToMark())  // TUPLE
    case 0x6C: try pushNode(.list, popToMark())  // LIST
    case 0x91: try pushNode(.set, popToMark())  // FROZENSET
    case 0x64:  // DICT
      let items = try popToMark()
      guard items.count.isMultiple(of: 2) else { throw failure("a key has no value") }
      try pushNode(.dictionary, items)
    case 0x61: try append([pop()])  // APPEND
    case 0x65, 0x90: try append(popToMark())  // APPENDS, ADDITEMS
    case 0x73: try set(pop(2))  // SETITEM
    case 0x75: try set(popToMark())  // SETITEMS

    case 0x71: try memoize(byte())  // BINPUT
    case 0x72: try memoize(length32())  // LONG_BINPUT
    case 0x94: try memoize(memo.count)  // MEMOIZE
    case 0x68: try recall(byte())  // BINGET
    case 0x6A: try recall(length32())  // LONG_BINGET

    case 0x63:  // GLOBAL
      let module = try line()
      try pushNode(.global, [module, line()])
    case 0x93: try pushNode(.global, pop(2))  // STACK_GLOBAL
    case 0x52, 0x81: try pushNode(.object, pop(2))  // REDUCE, NEWOBJ
    case 0x92:  // NEWOBJ_EX
      let parts = try pop(3)
      try pushNode(.object, [parts[0], parts[1]])
    case 0x51: try pushNode(.persistent, [pop()])  // BINPERSID
    case 0x62:  // BUILD
      let state = try pop()
      if case .node(let index) = try top() { nodes[index].state = state }
    case 0x82...0x84:  // EXT1, EXT2, EXT4
      _ = try take(1 << (instruction - 0x82))
      try push(.opaque)
    default: throw failure("its instruction 0x\(String(instruction, radix: 16)) is unknown")
    }
    return true
  }
}
