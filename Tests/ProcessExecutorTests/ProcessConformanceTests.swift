import JobModel
import MoondialTesting
import ProcessExecutor
import ScriptFixtures
import ScriptRuntime
import Testing

/// The same contract as of every executor, with the built program as worker.
@Suite("Processes keep the contract of executors", .serialized, .timeLimit(.minutes(3)))
struct ProcessConformanceTests {
  @Test("every claim", arguments: ExecutorConformance.claims)
  func conforms(claim: ExecutorConformance.Claim) throws {
    let scripts = try ConformanceScripts()
    let subject = ExecutorConformance.Subject(
      make: {
        var settings = ProcessConfiguration()
        settings.program = PoolFixture.binary
        return ProcessExecutor(settings, luaHost: scripts.host)
      }, payload: { try scripts.payload($0.script) }, progress: { scripts.log.progress })
    #expect(try claim.run(on: subject))
  }
}
