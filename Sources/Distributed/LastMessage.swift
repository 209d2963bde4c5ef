import Glibc
import Synchronization

/// The message that a rank leaves when a signal or `exit` ends it, so that the other ranks can say why. Process-wide
/// state. A rank that leaves none was ended by SIGKILL, which no process can handle.
enum LastMessage {
  private static let signals = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGTERM, SIGINT, SIGHUP]

  /// Installs handlers, which send the message and leave the rest to the handlers that were there before. Signals that
  /// the program handles itself, or ignores, stay as they are.
  static func prepare(_ socket: ControlSocket) {
    descriptor.store(socket.descriptor, ordering: .relaxed)
    guard !isPrepared.exchange(true, ordering: .relaxed) else { return }
    for number in signals {
      let bytes = ControlMessage(.crashed, [Int(number)]).bytes
      count = bytes.count
      (messages + Int(number) * most).update(from: bytes, count: bytes.count)
      var before = sigaction()
      guard sigaction(number, nil, &before) == 0 else { continue }
      // Of these the program itself may have taken care; MPI handles some of the others, to print a stack trace.
      let isRequest = [SIGTERM, SIGINT, SIGHUP].contains(number)
      if isRequest, unsafeBitCast(before.__sigaction_handler.sa_handler, to: UInt.self) != 0 { continue }
      earlier[Int(number)] = before
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        let place = Int(number)
        _ = write(descriptor.load(ordering: .relaxed), messages + place * most, count)
        sigaction(number, earlier + place, nil)
        // Delivered when this handler returns.
        raise(number)
      }
      sigaction(number, &action, nil)
    }
    atexit { LastMessage.send(.exited) }
  }

  /// Nothing is left to be said: the job has come to its end, or this rank's error is known.
  static func cancel() { descriptor.store(-1, ordering: .relaxed) }

  private static func send(_ kind: ControlMessage.Kind) {
    let descriptor = descriptor.load(ordering: .relaxed)
    guard descriptor >= 0 else { return }
    let bytes = ControlMessage(kind).bytes
    _ = write(descriptor, bytes, bytes.count)
  }
}

// Memory that a signal handler may use: it must not allocate.
private let most = 32
private let descriptor = Atomic<Int32>(-1)
private let isPrepared = Atomic<Bool>(false)
nonisolated(unsafe) private var count = 0
nonisolated(unsafe) private let messages = UnsafeMutablePointer<UInt8>.allocate(capacity: 65 * most)
nonisolated(unsafe) private let earlier = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)
