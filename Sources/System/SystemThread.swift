import Glibc

/// A POSIX thread.
package enum SystemThread {
  /// Stack of each thread, in bytes.
  private static let stackSize = 8 << 20

  /// Starts a detached thread, which ends when `body` returns. It inherits the CPU affinity of the calling thread.
  ///
  /// - Parameter name: what `top -H` and debuggers show, at most 15 bytes.
  package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
    final class Start: Sendable {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let start = Start {
      nameThisThread(name)
      body()
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, stackSize)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, Unmanaged.passRetained(start).toOpaque())
    pthread_attr_destroy(&attributes)
    guard code == 0 else {
      exitOutOfResources("cannot start a thread: \(String(cString: strerror(code))); use fewer threads or ranks")
    }
  }

  /// Through procfs, because glibc declares `pthread_setname_np` only with _GNU_SOURCE.
  private static func nameThisThread(_ name: String) {
    guard let file = fopen("/proc/thread-self/comm", "w") else { return }
    fputs(name, file)
    fclose(file)
  }
}

/// Ends the process with status 1 and one line on standard error. For memory and threads, which run out in the middle
/// of a computation, where no caller could recover. Runs the `CleanupHandlers` first.
package func exitOutOfResources(_ message: String) -> Never {
  // Not long: a handler may wait for the thread that has no memory.
  CleanupHandlers.run(within: 10)
  StandardError.write("gscnn: \(message)\n")
  exit(1)
}
