import Glibc

/// The addresses under which the other hosts of a job may reach this one.
package enum NetworkAddresses {
  /// Those of the interfaces that are up, but for the loopback: numeric, IPv4 first.
  ///
  /// - Parameters:
  ///   - included: the only interfaces or networks to consider, such as "eth1,10.0.0.0/24"; nil: all.
  ///   - excluded: interfaces or networks to leave out.
  package static func own(included: String? = nil, excluded: String? = nil) -> [String] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var addresses: [String] = []
    var next = first
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = entry.ifa_addr, entry.ifa_flags & UInt32(IFF_UP) != 0,
        entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0, let text = numeric(address)
      else { continue }
      let interface = String(cString: entry.ifa_name)
      if let included, !matches(included, interface, text) { continue }
      if let excluded, matches(excluded, interface, text) { continue }
      addresses.append(text)
    }
    return addresses.filter { !$0.contains(":") } + addresses.filter { $0.contains(":") }
  }

  /// - Returns: nil for other families than IPv4 and IPv6, and for link-local addresses, which need an interface.
  private static func numeric(_ address: UnsafeMutablePointer<sockaddr>) -> String? {
    let size: Int
    switch Int32(address.pointee.sa_family) {
    case AF_INET: size = MemoryLayout<sockaddr_in>.size
    case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
    default: return nil
    }
    var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard getnameinfo(address, socklen_t(size), &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0 else {
      return nil
    }
    let text = name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    return text.contains("%") ? nil : text
  }

  /// Whether a list of interfaces and IPv4 networks names this interface or its address.
  package static func matches(_ list: String, _ interface: String, _ address: String) -> Bool {
    list.split(separator: ",").contains { entry in
      if entry == interface { return true }
      let parts = entry.split(separator: "/")
      guard parts.count == 2, let bits = UInt32(parts[1]), bits <= 32, let network = number(String(parts[0])),
        let own = number(address)
      else { return false }
      return bits == 0 || (network ^ own) >> (32 - bits) == 0
    }
  }

  private static func number(_ address: String) -> UInt32? {
    var binary = in_addr()
    return inet_pton(AF_INET, address, &binary) == 1 ? UInt32(bigEndian: binary.s_addr) : nil
  }
}
