import Glibc

/// A thread of the operating system.
package enum SystemThread {
  /// Starts a thread that ends when `body` returns; nobody waits for it.
  ///
  /// - Parameter name: what `top -H` and a debugger show, up to 15 bytes.
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
    pthread_attr_setstacksize(&attributes, 8 << 20)
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
      outOfResources("cannot start a thread (\(String(cString: strerror(code)))); use fewer threads")
    }
  }

  /// `pthread_setname_np` is there for GNU programs alone.
  private static func nameThisThread(_ name: String) {
    guard let file = fopen("/proc/thread-self/comm", "w") else { return }
    fputs(name, file)
    fclose(file)
  }
}
