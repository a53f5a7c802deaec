import Executors
import JobModel
import MoondialTesting
import ScriptFixtures
import ScriptRuntime
import Testing

/// Lua jobs come to an executor as capsules; what they do must look the same wherever they run.
@Suite("A pool of threads keeps the contract of executors with Lua jobs", .timeLimit(.minutes(3)))
struct LuaConformanceTests {
  @Test("every claim", arguments: ExecutorConformance.claims)
  func threads(claim: ExecutorConformance.Claim) throws {
    let scripts = try ConformanceScripts()
    let subject = ExecutorConformance.Subject(
      make: {
        let runner = LuaRunner(scripts.host)
        var settings = StepPool.Configuration()
        settings.workers = 2
        let pool = StepPool(runner, configuration: settings)
        runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
        return pool
      }, payload: { try scripts.payload($0.script) }, progress: { scripts.log.progress })
    #expect(try claim.run(on: subject))
  }
}
