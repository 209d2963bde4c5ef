import Glibc
import Synchronization
import System

/// A TCP connection between two ranks, for messages beside MPI. No operation waits, but for `connect`.
final class ControlSocket: Sendable {
  let descriptor: Int32
  private let unsent = Mutex<[UInt8]>([])
  private let received = Mutex<[UInt8]>([])

  /// Takes over a connected, non-blocking socket.
  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    // A message is urgent and short.
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  deinit { close(descriptor) }

  /// Sends a message, now or, if the other side does not keep up, with a later one. Drops it if much is waiting.
  func send(_ message: ControlMessage) {
    unsent.withLock { unsent in
      if unsent.count < ControlMessage.mostBytes { unsent += message.bytes }
      while !unsent.isEmpty {
        let sent = unsent.withUnsafeBytes {
          Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if sent < 0, errno == EINTR { continue }
        guard sent > 0 else { return }
        unsent.removeFirst(sent)
      }
    }
  }

  /// What has arrived.
  ///
  /// - Returns: the messages, and whether more may come; the other side has ended otherwise.
  func receive() -> (messages: [ControlMessage], isOpen: Bool) {
    received.withLock { received in
      var isOpen = true
      var bytes = [UInt8](repeating: 0, count: 1 << 12)
      while true {
        let count = recv(descriptor, &bytes, bytes.count, 0)
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == EAGAIN { break }
        guard count > 0, received.count < 4 * ControlMessage.mostBytes else {
          isOpen = false
          break
        }
        received += bytes[..<count]
      }
      guard let messages = ControlMessage.take(from: &received) else { return ([], false) }
      return (messages, isOpen)
    }
  }

  // MARK: - Connecting

  /// A socket that accepts connections from every network of this machine, on a free port; nil without networks.
  static func listener() -> (descriptor: Int32, port: UInt16)? {
    // An IPv6 socket accepts IPv4 too; some systems have only IPv4.
    for family in [AF_INET6, AF_INET] {
      let descriptor = newSocket(family)
      guard descriptor >= 0 else { continue }
      if family == AF_INET6 { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
      var address = sockaddr_storage()
      address.ss_family = sa_family_t(family)
      var length = socklen_t(family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size)
      let isListening = withSocketAddress(&address) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 4096) == 0 && getsockname(descriptor, $0, &length) == 0
      }
      // The port is at the same place in both families.
      let port = withUnsafeBytes(of: &address) {
        UInt16(bigEndian: $0.load(fromByteOffset: MemoryLayout<sa_family_t>.size, as: UInt16.self))
      }
      if isListening { return (descriptor, port) }
      close(descriptor)
    }
    return nil
  }

  /// Accepts a connection that is waiting.
  static func accept(from listener: Int32) -> ControlSocket? {
    let descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return ControlSocket(descriptor)
  }

  /// Connects to whichever of several addresses answers first with `welcome`.
  ///
  /// - Parameters:
  ///   - addresses: numeric, IPv4 or IPv6.
  ///   - seconds: the longest wait.
  static func connect(
    to addresses: [String], port: UInt16, greeting: ControlMessage, within seconds: Double
  ) -> ControlSocket? {
    var candidates = addresses.compactMap { begin($0, port) }
    let deadline = Clock.now + seconds
    while !candidates.isEmpty, Clock.now < deadline {
      var polled = candidates.map {
        pollfd(fd: $0.socket.descriptor, events: Int16($0.isGreeted ? POLLIN : POLLOUT), revents: 0)
      }
      poll(&polled, nfds_t(polled.count), 100)
      for index in candidates.indices.reversed() where polled[index].revents != 0 {
        let socket = candidates[index].socket
        if !candidates[index].isGreeted, option(socket.descriptor, SOL_SOCKET, SO_ERROR) == 0 {
          socket.send(greeting)
          candidates[index].isGreeted = true
          continue
        }
        let (messages, isOpen) = socket.receive()
        if messages.first?.kind == .welcome { return socket }
        if !isOpen || !candidates[index].isGreeted { candidates.remove(at: index) }
      }
    }
    return nil
  }

  private static func begin(_ address: String, _ port: UInt16) -> (socket: ControlSocket, isGreeted: Bool)? {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(address, "\(port)", &hints, &found) == 0, let info = found else { return nil }
    defer { freeaddrinfo(info) }
    let descriptor = newSocket(info.pointee.ai_family)
    guard descriptor >= 0 else { return nil }
    let socket = ControlSocket(descriptor)
    let code = Glibc.connect(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen)
    return code == 0 || errno == EINPROGRESS ? (socket, false) : nil
  }

  private static func newSocket(_ family: Int32) -> Int32 {
    socket(family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
  }
}

// MARK: - Socket options

func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
  var value = value
  setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}

/// - Returns: nil if the descriptor is no socket or has no such option.
func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32? {
  var value: Int32 = 0
  var length = socklen_t(MemoryLayout<Int32>.size)
  return getsockopt(descriptor, level, name, &value, &length) == 0 ? value : nil
}

private func withSocketAddress<Outcome>(
  _ storage: inout sockaddr_storage, _ body: (UnsafeMutablePointer<sockaddr>) -> Outcome
) -> Outcome {
  withUnsafeMutablePointer(to: &storage) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
  }
}

/// TCP keep-alive on every connection of this process, most of which are MPI's: firewalls and NAT gateways drop idle
/// ones, and ranks that wait for a long validation are idle.
enum KeepAlive {
  /// Seconds of silence before the first probe, seconds between probes, and probes without an answer before the
  /// connection is lost.
  static let (idle, interval, probes): (Int32, Int32, Int32) = (60, 15, 8)

  static func enable() {
    guard let folder = opendir("/proc/self/fd") else { return }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let descriptor = Int32(name), option(descriptor, SOL_SOCKET, SO_TYPE) == Int32(SOCK_STREAM.rawValue),
        let domain = option(descriptor, SOL_SOCKET, SO_DOMAIN), [AF_INET, AF_INET6].contains(domain),
        option(descriptor, SOL_SOCKET, SO_KEEPALIVE) == 0
      else { continue }
      setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
      setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, idle)
      setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, interval)
      setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, probes)
    }
  }
}
