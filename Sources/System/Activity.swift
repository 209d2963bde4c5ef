import Glibc
import Synchronization

/// What this process is doing, as the other ranks of its job see it: a rank that dies or stalls is reported with the
/// phase and step it was in. Process-wide state; an update takes some ns.
package enum Activity {
  /// A part of the work of a rank.
  package enum Phase: String, Sendable, CaseIterable {
    /// Before the first of the others: command line, list of images, memory.
    case starting
    /// Writing what training needs beside each image.
    case preparing
    /// Reading a checkpoint or weights, and sending them to the other ranks.
    case restoring
    /// Between the parts of steps and epochs.
    case training
    /// Waiting for the images of a step.
    case loading
    case forward, backward
    /// The all-reduce of a bucket of gradients, beside the backward pass.
    case bucket
    case optimizer
    /// Evaluating the images of a split.
    case validation
    /// Comparing replicas, and copying or waiting for a checkpoint.
    case checkpoint
    /// Waiting for the other ranks at the end of the job.
    case finalize
  }

  /// The state at one moment.
  package struct Snapshot: Sendable, Equatable {
    package var phase = Phase.starting
    /// The global step, from 1; 0 before the first.
    package var step = 0
    /// The image of the validation, from 1; 0 outside.
    package var image = 0
    /// The bucket that the communication thread all-reduces, from 1; 0 if none.
    package var bucket = 0
    /// Whether the main thread waits for other ranks.
    package var isWaiting = false
    /// Microseconds for which the main thread has waited for other ranks so far.
    package var waited = 0
    /// Rises with each piece of work. Standing still for long means that the rank is stuck, unless it waits.
    package var progress = 0

    package init() {}

    /// For example "backward, step 12, bucket 7".
    package var description: String {
      phase.rawValue + (image > 0 ? ", image \(image)" : "") + (step > 0 ? ", step \(step)" : "")
        + (bucket > 0 ? ", bucket \(bucket)" : "")
    }
  }

  package static var current: Snapshot {
    var snapshot = Snapshot()
    snapshot.phase = Phase.allCases[phaseIndex.load(ordering: .relaxed)]
    snapshot.step = stepNumber.load(ordering: .relaxed)
    snapshot.image = imageNumber.load(ordering: .relaxed)
    snapshot.bucket = bucketNumber.load(ordering: .relaxed)
    snapshot.isWaiting = waits.load(ordering: .relaxed) > 0
    let begin = waitBegin.load(ordering: .relaxed)
    snapshot.waited = waited.load(ordering: .relaxed) + (begin > 0 ? max(0, microseconds() - begin) : 0)
    snapshot.progress = pieces.load(ordering: .relaxed)
    return snapshot
  }

  // MARK: - The main thread

  /// Makes the calling thread the one whose waits count.
  package static func followThisThread() { mainThread.store(pthread_self(), ordering: .relaxed) }

  /// Runs `body` as a phase of the main thread; phases may nest. If `body` throws, the phase stays, so that the error
  /// is reported with it.
  package static func during<Outcome>(_ phase: Phase, _ body: () throws -> Outcome) rethrows -> Outcome {
    let outer = Phase.allCases[phaseIndex.load(ordering: .relaxed)]
    enter(phase)
    let outcome = try body()
    enter(outer)
    return outcome
  }

  /// Begins a phase, which lasts until the next.
  package static func enter(_ phase: Phase) {
    phaseIndex.store(phase.index, ordering: .relaxed)
    changed(phase)
  }

  package static func begin(step: Int) { stepNumber.store(step, ordering: .relaxed) }

  /// Begins an image of a validation, from 1; 0 at the end.
  package static func begin(image: Int) {
    imageNumber.store(image, ordering: .relaxed)
    if image > 0 { changed(.validation) }
  }

  /// Runs `body`, which waits for other ranks. On other threads than the main thread it only runs it.
  package static func waiting<Outcome>(_ body: () throws -> Outcome) rethrows -> Outcome {
    guard pthread_self() == mainThread.load(ordering: .relaxed) else { return try body() }
    // Waits may nest; only this thread changes them.
    let begin = waits.add(1, ordering: .relaxed).oldValue == 0 ? microseconds() : nil
    if let begin { waitBegin.store(begin, ordering: .relaxed) }
    defer {
      if let begin {
        waitBegin.store(0, ordering: .relaxed)
        waited.add(microseconds() - begin, ordering: .relaxed)
      }
      waits.subtract(1, ordering: .relaxed)
    }
    return try body()
  }

  /// Notes that a piece of work is done. On any thread.
  package static func advance() { pieces.add(1, ordering: .relaxed) }

  // MARK: - The communication thread

  /// Runs `body`, the all-reduce of a bucket; `number` counts from 1.
  package static func reducing<Outcome>(bucket number: Int, _ body: () throws -> Outcome) rethrows -> Outcome {
    bucketNumber.store(number, ordering: .relaxed)
    changed(.bucket)
    defer { bucketNumber.store(0, ordering: .relaxed) }
    return try body()
  }

  // MARK: - Observers

  /// Has `body` called whenever a phase, image or bucket begins, on the thread that begins it. Later observers are called
  /// before earlier ones.
  package static func observe(_ body: @escaping @Sendable (Phase) -> Void) {
    observers.withLock { $0.insert(body, at: 0) }
  }

  private static func changed(_ phase: Phase) {
    advance()
    for observer in observers.withLock({ $0 }) { observer(phase) }
  }
}

extension Activity.Phase {
  fileprivate var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

private func microseconds() -> Int { Int(Clock.now * 1e6) }

private let mainThread = Atomic<pthread_t>(0)
private let phaseIndex = Atomic<Int>(0)
private let stepNumber = Atomic<Int>(0)
private let imageNumber = Atomic<Int>(0)
private let bucketNumber = Atomic<Int>(0)
private let waits = Atomic<Int>(0)
/// When the outermost wait began, in microseconds of the clock; 0 if there is none.
private let waitBegin = Atomic<Int>(0)
/// Microseconds of the waits that are over.
private let waited = Atomic<Int>(0)
private let pieces = Atomic<Int>(0)
private let observers = Mutex<[@Sendable (Activity.Phase) -> Void]>([])
