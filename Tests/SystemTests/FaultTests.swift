import System
import Testing

@Suite("Faults on purpose")
struct FaultTests {
  @Test("A description names rank, phase, step, number and action")
  func description() throws {
    let fault = try Fault("rank=1 phase=bucket step=3 number=7 action=kill")
    #expect(fault.rank == 1 && fault.phase == .bucket && fault.step == 3 && fault.number == 7)
    #expect(fault.action == .kill)
    let short = try Fault("phase=loading,action=hang")
    #expect(short.rank == 0 && short.step == nil && short.number == nil)
  }

  @Test(
    "A wrong description is refused, and says what to give",
    arguments: [
      ("", "there is no phase ''; give phase= one of starting, preparing, restoring"),
      ("phase=lunch action=kill", "there is no phase 'lunch'; give phase="),
      ("phase=backward", "there is no action ''; give action= one of kill, stop, term"),
      ("phase=backward action=explode", "there is no action 'explode'"),
      ("phase=backward action=kill step=-1", "'step=-1' is no number; give 0 or more"),
      ("phase=backward action=kill rank=one", "'rank=one' is no number"),
      ("phase=backward phase=forward action=kill", "'phase=forward' is not understood; give rank="),
      ("when=now", "'when=now' is not understood"),
      ("kill", "'kill' is not understood"),
    ])
  func refused(text: String, message: String) {
    let problem = #expect(throws: Fault.Problem.self) { try Fault(text) }
    #expect(problem?.description.hasPrefix(message) == true, "\(problem?.description ?? "")")
  }
}
