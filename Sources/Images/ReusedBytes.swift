/// Bytes that grow as they are needed; what was in them is lost then.
struct ReusedBytes: ~Copyable {
  private(set) var start = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
  private var capacity = 16
  var count = 0

  mutating func reserve(_ count: Int) {
    guard count > capacity else { return }
    start.deallocate()
    capacity = count + count / 4
    start = .allocate(capacity: capacity)
  }

  deinit { start.deallocate() }
}
