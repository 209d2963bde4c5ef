import Tensors
import Testing

/// Runs each test of a suite once for every instruction set that this processor supports; `WorkerPool.underTest`
/// makes pools that use it.
struct EveryInstructionSet: SuiteTrait, TestTrait, TestScoping {
  @TaskLocal fileprivate static var current = InstructionSet.chosen

  let isRecursive = true

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    for set in InstructionSet.supported {
      let namesSet = IssueHandlingTrait.compactMapIssues { issue in
        var issue = issue
        issue.comments.append("with \(set.rawValue) microkernels")
        return issue
      }
      try await Self.$current.withValue(set) {
        try await namesSet.provideScope(for: test, testCase: testCase, performing: function)
      }
    }
  }
}

extension Trait where Self == EveryInstructionSet {
  static var everyInstructionSet: Self { Self() }
}

extension WorkerPool {
  /// A pool with the instruction set under test: each in turn in a suite with the trait `everyInstructionSet`, elsewhere
  /// the widest.
  static func underTest(threads: Int) -> WorkerPool {
    WorkerPool(threads: threads, instructionSet: EveryInstructionSet.current)
  }
}
