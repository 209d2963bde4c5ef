/// How many processes the kernel has ended on this host for lack of memory.
package enum OutOfMemoryKills {
  /// The count since the host was started: of all processes, in containers too; nil if the kernel does not tell.
  package static func count() -> Int? {
    Procfs.firstLine(of: "/proc/vmstat", after: "oom_kill ").flatMap { Int($0) }
  }
}
