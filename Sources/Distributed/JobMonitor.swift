import COpenMPI
import Glibc
import Synchronization
import System

/// Watches over the ranks of a job, on a thread of each rank and over TCP connections of its own: MPI itself does not
/// notice a rank that has died or stalls, and lets the others wait for ever.
///
/// Each rank reports to rank 0 what it does (`Activity`), every second and whenever that changes. Rank 0 watches the
/// others and rank 1 watches rank 0. A rank that dies, or stalls for longer than a limit, ends the job, with one line on
/// standard error that names it. So does an error on any rank: rank 0 writes the line, as the last one of the job.
final class JobMonitor: Sendable {
  /// The monitor of this process; nil if it is alone.
  static var current: JobMonitor? { shared.withLock { $0 } }

  /// Seconds after which a stall is reported, unless it ends the job soon after.
  private static let patience = 30.0
  /// Seconds between two reports.
  private static let interval = 1.0
  /// Seconds that a job ended by the death of a rank waits for `CleanupHandlers`.
  private static let cleanupSeconds = 7.0

  /// What a user can adjust.
  struct Settings {
    /// Seconds after which a stall ends the job; nil: never.
    var stallTimeout: Double? = 600
    /// What to do after the job has ended.
    var remedy = "start it again"
  }
  let settings = Mutex(Settings())

  private let rank: Int
  private let hosts: [String]
  /// On rank 0.
  private let listener: Int32?
  private let token: Int
  private let memoryKills = OutOfMemoryKills.count()

  private struct Link {
    let socket: ControlSocket
    let accepted = Clock.now
    /// Nil until it has reported for the first time.
    var rank: Int?
    /// The rank as which it has said hello. It tries several addresses, and then uses one.
    var candidate: Int?
    /// What it said before it ended.
    var lastMessage: ControlMessage?
    var hasFinished = false
    var isHushed = false
  }
  private struct State {
    var links: [Link] = []
    var detector = StallDetector()
    /// Stalls that have been reported.
    var reported: [Int?: Double] = [:]
    /// Answer of a rank of a host to whether it has run out of memory.
    var memoryAnswer: Bool?
    /// On the other ranks: whether rank 0 ends the job, and the status.
    var hush: Int32?
  }
  private let state = Mutex(State())
  private let isOver = Atomic<Bool>(false)
  private let isEnding = Atomic<Bool>(false)

  // MARK: - Start and end

  /// Connects the ranks and starts to watch. Collective.
  static func start(_ communicator: Communicator) {
    let hosts = communicator.allGather(communicator.host)
    let isFirst = communicator.rank == 0
    let listener = isFirst ? ControlSocket.listener() : nil
    var invitation = ""
    if let listener {
      func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
      let addresses = NetworkAddresses.own(
        included: variable("OMPI_MCA_btl_tcp_if_include") ?? variable("GSCNN_NETWORK"),
        excluded: variable("OMPI_MCA_btl_tcp_if_exclude"))
      invitation = (["\(Int.random(in: 1...Int.max))", "\(listener.port)"] + addresses).joined(separator: " ")
    }
    let words = String(decoding: communicator.broadcast(Array(invitation.utf8)), as: UTF8.self)
      .split(separator: " ").map(String.init)
    let token = words.first.flatMap { Int($0) } ?? 0
    let monitor = JobMonitor(communicator.rank, hosts, listener?.descriptor, token)
    var isConnected = true
    if isFirst {
      SystemThread.start("gscnn monitor") { monitor.watch() }
    } else {
      var addresses = Array(words.dropFirst(2))
      if communicator.host == hosts[0] { addresses.append("127.0.0.1") }
      let port = words.dropFirst().first.flatMap { UInt16($0) } ?? 0
      let socket = ControlSocket.connect(
        to: addresses, port: port, greeting: ControlMessage(.hello, [token, communicator.rank]), within: 5)
      if let socket {
        monitor.state.withLock { $0.links = [Link(socket: socket)] }
        monitor.follow(socket, rank: 0)
        socket.send(activityMessage())
      }
      isConnected = socket != nil
      SystemThread.start("gscnn monitor") { monitor.watch() }
    }
    let unconnected = communicator.allGather(UInt64(isConnected ? 1 : 0)).indices { $0 == 0 }
    if isFirst, let rank = unconnected.first {
      StandardError.write(
        "gscnn: rank \(rank) on \(hosts[rank])\(unconnected.count > 1 ? " and \(unconnected.count - 1) more" : "") "
          + "cannot connect to rank 0 on \(hosts[0]) (\(words.dropFirst(2).joined(separator: ", "))); a rank that dies or "
          + "stalls there is not reported; open all ports between the hosts, or choose the network with GSCNN_NETWORK\n"
      )
    }
    shared.withLock { $0 = monitor }
    Activity.observe { _ in monitor.activityChanged() }
  }

  private init(_ rank: Int, _ hosts: [String], _ listener: Int32?, _ token: Int) {
    self.rank = rank
    self.hosts = hosts
    self.listener = listener
    self.token = token
    let now = Clock.now
    if rank == 0 { state.withLock { $0.detector.add(0, at: now) } }
  }

  private func follow(_ socket: ControlSocket, rank: Int) {
    change(socket) { $0.rank = rank }
    state.withLock { $0.detector.add(rank, at: Clock.now) }
    if self.rank != 0 || rank == 1 { LastMessage.prepare(socket) }
  }

  /// All ranks have come to the end of the job: none is missed from now on.
  func finish() {
    isOver.store(true, ordering: .relaxed)
    LastMessage.cancel()
    for link in state.withLock({ $0.links }) { link.socket.send(ControlMessage(.goodbye)) }
  }

  // MARK: - Watching

  /// What the ranks have reported last, on rank 0; those that have come to their end or are not connected are missing.
  var reports: [RankReport] {
    let (detector, now) = (state.withLock { $0.detector }, Clock.now)
    return hosts.indices.compactMap { rank in
      guard let heard = rank == self.rank ? now : detector.heard(rank) else { return nil }
      return RankReport(
        rank: rank, host: hosts[rank], activity: rank == self.rank ? Activity.current : detector.activity(of: rank),
        heardSecondsAgo: now - heard, waitingShare: detector.waitingShare(of: rank))
    }
  }

  private func watch() {
    var lastReport = 0.0
    var lastKeepAlive = 0.0
    var last = Clock.now
    while true {
      let descriptors = state.withLock { $0.links }.map(\.socket.descriptor) + (listener.map { [$0] } ?? [])
      var polled = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      let now = Clock.now
      poll(&polled, nfds_t(polled.count), Int32(max(0, lastReport + Self.interval - now) * 1000) + 1)
      receive()
      let then = Clock.now
      // This process was stopped itself: the reports of that time have not been read.
      if then - last > 5 { state.withLock { $0.detector.restart(at: then) } }
      last = then
      if then - lastReport >= Self.interval {
        lastReport = then
        report()
        checkStalls(at: then)
      }
      if then - lastKeepAlive >= Double(KeepAlive.idle) {
        lastKeepAlive = then
        KeepAlive.enable()
      }
      // Many reports at once cost one wake-up.
      if rank == 0 { usleep(10_000) }
    }
  }

  private func activityChanged() {
    let first = state.withLock { state in state.links.first { $0.rank == (rank == 0 ? 1 : 0) }?.socket }
    first?.send(Self.activityMessage())
  }

  private static func activityMessage() -> ControlMessage { ControlMessage(.activity, Activity.current.numbers) }

  /// Sends what this rank does to all that it is connected with.
  private func report() {
    let message = Self.activityMessage()
    let links = state.withLock { state in
      if rank == 0 { state.detector.report(0, Activity.current, at: Clock.now) }
      return state.links
    }
    for link in links where link.rank != nil { link.socket.send(message) }
  }

  private func receive() {
    if let listener {
      while let socket = ControlSocket.accept(from: listener) {
        state.withLock { $0.links.append(Link(socket: socket)) }
      }
    }
    for link in state.withLock({ $0.links }) {
      if link.rank == nil, Clock.now - link.accepted > 10 { drop(link.socket) }
      let (messages, isOpen) = link.socket.receive()
      for message in messages { handle(message, from: link.socket) }
      if !isOpen { closed(link.socket) }
    }
  }

  private func handle(_ message: ControlMessage, from socket: ControlSocket) {
    guard let link = state.withLock({ state in state.links.first { $0.socket === socket } }) else { return }
    if link.rank == nil, message.kind == .activity, let candidate = link.candidate {
      follow(socket, rank: candidate)
    } else if link.rank == nil {
      // Others than ranks of this job may connect too: a port scanner, for example.
      guard message.kind == .hello, message.numbers.count == 2, message.numbers[0] == token, token != 0,
        hosts.indices.contains(message.numbers[1])
      else { return drop(socket) }
      change(socket) { $0.candidate = message.numbers[1] }
      return socket.send(ControlMessage(.welcome))
    }
    guard let known = link.rank ?? link.candidate else { return }
    switch message.kind {
    case .hello, .welcome: break
    case .activity:
      if let activity = Activity.Snapshot(message.numbers) {
        state.withLock { $0.detector.report(known, activity, at: Clock.now) }
      }
    case .failed:
      end(message.text, status: Int32(truncatingIfNeeded: message.numbers.first ?? 1))
    case .crashed, .exited: change(socket) { $0.lastMessage = message }
    case .memory:
      if let answer = message.numbers.first {
        state.withLock { $0.memoryAnswer = answer > 0 }
      } else {
        socket.send(ControlMessage(.memory, [hasRunOutOfMemory ? 1 : 0]))
      }
    case .hush:
      let status = Int32(truncatingIfNeeded: message.numbers.first ?? 1)
      isEnding.store(true, ordering: .relaxed)
      LastMessage.cancel()
      state.withLock { $0.hush = status }
      StandardError.silence()
      socket.send(ControlMessage(.hushed))
    case .hushed: change(socket) { $0.isHushed = true }
    case .goodbye:
      change(socket) { $0.hasFinished = true }
      state.withLock { $0.detector.remove(known) }
    }
  }

  private func change(_ socket: ControlSocket, _ body: (inout Link) -> Void) {
    state.withLock { state in
      if let index = state.links.firstIndex(where: { $0.socket === socket }) { body(&state.links[index]) }
    }
  }

  private func drop(_ socket: ControlSocket) { state.withLock { $0.links.removeAll { $0.socket === socket } } }

  private var hasRunOutOfMemory: Bool {
    guard let before = memoryKills, let now = OutOfMemoryKills.count() else { return false }
    return now > before
  }

  // MARK: - Death

  private func closed(_ socket: ControlSocket) {
    let link = state.withLock { state in state.links.first { $0.socket === socket } }
    drop(socket)
    guard let link, let other = link.rank else { return }
    if let status = state.withLock({ $0.hush }) {
      // Rank 0 has ended the job.
      _exit(status)
    }
    guard !link.hasFinished, !isOver.load(ordering: .relaxed), !isEnding.load(ordering: .relaxed) else { return }
    SystemThread.start("gscnn end") { [self] in
      // The ranks take turns in reporting rank 0, in case that the first ones have died too.
      if rank > 1 { usleep(UInt32(min(rank - 1, 8)) * 1_000_000) }
      let activity = state.withLock { $0.detector.activity(of: other) }
      end(
        "rank \(other) on \(hosts[other]) \(cause(link.lastMessage, of: other)) in \(activity.description)", status: 1,
        isDeath: true)
    }
  }

  /// How a rank ended.
  private func cause(_ message: ControlMessage?, of other: Int) -> String {
    if let message, message.kind == .crashed, let number = message.numbers.first {
      let name = strsignal(Int32(truncatingIfNeeded: number)).map { String(cString: $0) } ?? ""
      return "was ended by signal \(number) (\(name))"
    }
    if message != nil { return "exited without an error message" }
    return isOutOfMemory(hostOf: other)
      ? "was killed (signal 9) for lack of memory, as the kernel of that host counts it,"
      : "was killed (signal 9; if nobody did it, out of memory: see dmesg there)"
  }

  /// Whether the host of a rank that was killed has run out of memory, as this rank or another one there can see.
  private func isOutOfMemory(hostOf other: Int) -> Bool {
    if hosts[other] == hosts[rank] { return hasRunOutOfMemory }
    let witness = state.withLock { state in
      state.memoryAnswer = nil
      return state.links.first { $0.rank.map { hosts[$0] == hosts[other] } ?? false }
    }
    guard let witness else { return false }
    witness.socket.send(ControlMessage(.memory))
    return wait(atMost: 0.5) { $0.memoryAnswer != nil } && state.withLock { $0.memoryAnswer == true }
  }

  private func wait(atMost seconds: Double, until condition: (State) -> Bool) -> Bool {
    let deadline = Clock.now + seconds
    while !state.withLock({ condition($0) }) {
      guard Clock.now < deadline else { return false }
      usleep(5000)
    }
    return true
  }

  // MARK: - Stalls

  private func checkStalls(at now: Double) {
    guard rank <= 1, !isOver.load(ordering: .relaxed), !isEnding.load(ordering: .relaxed) else { return }
    let (timeout, remedy) = settings.withLock { ($0.stallTimeout, $0.remedy) }
    let (found, detector) = state.withLock { state in
      var found = state.detector.stalls(of: min(Self.patience, (timeout ?? .infinity) / 2), at: now)
      // Rank 1 watches only rank 0, and rank 0 itself sees whether its own work goes on.
      if rank == 1 { found.removeAll { if case .silent = $0 { false } else { true } } }
      return (found, state.detector)
    }
    for stall in found {
      let (other, since) = stall.place
      if let timeout, now - since >= timeout {
        return end(
          "\(text(stall, detector, now)), which ends the job after \(Int(timeout)) s; \(remedy)",
          status: StopSignal.temporaryFailure)
      }
      let isNew = state.withLock { $0.reported.updateValue(since, forKey: other) != since }
      if isNew {
        let end = timeout.map { "; the job ends when that lasts \(Int($0)) s" } ?? ""
        StandardError.write("gscnn: \(text(stall, detector, now))\(end)\n")
      }
    }
    let ranks = found.map(\.place.rank)
    let recovered = state.withLock { state in
      let recovered = state.reported.keys.filter { !ranks.contains($0) }
      for rank in recovered { state.reported[rank] = nil }
      return recovered
    }
    for rank in recovered {
      StandardError.write("gscnn: \(rank.map { "rank \($0) on \(hosts[$0]) goes on" } ?? "the ranks go on")\n")
    }
  }

  private func text(_ stall: StallDetector.Stall, _ detector: StallDetector, _ now: Double) -> String {
    switch stall {
    case .silent(let other, let since):
      "rank \(other) on \(hosts[other]) has not answered for \(Int(now - since)) s "
        + "(last: \(detector.activity(of: other).description)): its process is stopped, or its host or network is down"
    case .stuck(let other, let since):
      "rank \(other) on \(hosts[other]) has been in \(detector.activity(of: other).description) for "
        + "\(Int(now - since)) s without progress, and other ranks wait for it"
    case .allWaiting(let since):
      "all ranks have waited for one another for \(Int(now - since)) s (rank 0: \(Activity.current.description)): "
        + "a connection between two hosts may be lost"
    }
  }

  // MARK: - Ending the job

  /// Takes it on this thread to end the job.
  ///
  /// - Returns: whether no other thread or rank has done so before.
  func claimEnd() -> Bool { !isEnding.exchange(true, ordering: .relaxed) }

  /// Ends the job after a line on standard error, in the background.
  private func end(_ line: String, status: Int32, isDeath: Bool = false) {
    guard claimEnd() else { return }
    let remedy = settings.withLock { $0.remedy }
    SystemThread.start("gscnn end") { [self] in
      silenceAll(status: status)
      StandardError.writeLast("gscnn: \(line)\(isDeath ? "; \(remedy)" : "")\n", status: status)
      CleanupHandlers.run(within: Self.cleanupSeconds)
      Communicator.abort(status)
    }
  }

  /// Makes this rank and the others write nothing more: those that lose their connection to a rank complain at length.
  func silenceAll(status: Int32) {
    // What they have already begun to say comes before the last line.
    usleep(200_000)
    LastMessage.cancel()
    StandardError.silence()
    let links = state.withLock { $0.links.filter { $0.rank != nil } }
    for link in links { link.socket.send(ControlMessage(.hush, [Int(status)])) }
    _ = wait(atMost: 0.5) { $0.links.allSatisfy { $0.isHushed || $0.rank == nil } }
  }

  /// Lets rank 0 report this rank's error and end the job.
  ///
  /// - Returns: whether rank 0 can be reached.
  func delegate(_ line: String, status: Int32) -> Bool {
    guard rank != 0, let link = state.withLock({ $0.links.first }) else { return false }
    LastMessage.cancel()
    link.socket.send(ControlMessage(.failed, [Int(status)], text: line))
    return true
  }
}

private let shared = Mutex<JobMonitor?>(nil)

extension StallDetector.Stall {
  /// The rank at fault, nil for all, and the time since when.
  fileprivate var place: (rank: Int?, since: Double) {
    switch self {
    case .silent(let rank, let since), .stuck(let rank, let since): (rank, since)
    case .allWaiting(let since): (nil, since)
    }
  }
}

extension Activity.Snapshot {
  fileprivate var numbers: [Int] {
    [Activity.Phase.allCases.firstIndex(of: phase) ?? 0, step, image, bucket, isWaiting ? 1 : 0, progress, waited]
  }

  fileprivate init?(_ numbers: [Int]) {
    guard numbers.count == 7, Activity.Phase.allCases.indices.contains(numbers[0]) else { return nil }
    self.init()
    phase = Activity.Phase.allCases[numbers[0]]
    (step, image, bucket, isWaiting, progress) = (numbers[1], numbers[2], numbers[3], numbers[4] > 0, numbers[5])
    waited = numbers[6]
  }
}

extension [UInt64] {
  fileprivate func indices(where condition: (UInt64) -> Bool) -> [Int] { indices.filter { condition(self[$0]) } }
}
