import Basics
import Chronology
import Executors
import FileWatching
import HostModules
import JobModel
import MoondialTesting
import ScriptFixtures
import ScriptLoading
import ScriptRuntime
import Testing

/// Lua jobs come to an executor as capsules; what they do must look the same wherever they run.
@Suite("A pool of threads keeps the contract of executors with Lua jobs")
struct LuaConformanceTests {
  @Test("every claim", arguments: ExecutorConformance.claims)
  func threads(claim: ExecutorConformance.Claim) throws {
    let log = LogCollector()
    var services = HostServices.unwired
    services.log = log
    let host = try LuaHost(services: services, declareModules: DeclareModules.modules)
    defer {
      host.stop()
      host.services.blockingPool.stop()
    }
    let loader = try ScriptLoader(runtime: host.runtime, zones: services.zones)
    let subject = ExecutorConformance.Subject(
      make: {
        let runner = LuaRunner(host)
        var settings = StepPool.Configuration()
        settings.workers = 2
        let pool = StepPool(runner, configuration: settings)
        runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
        return pool
      },
      payload: { behaviour in
        let content = FileContent(Array(behaviour.script.utf8))
        let generation = loader.load(
          DirectorySnapshot([ScriptFile(ScriptPath("conformance.lua"), .script, .success(content))]))
        return try #require(generation.jobs.first, "\(generation.errors)").payload
      }, progress: { log.progress })
    #expect(try claim.run(on: subject))
  }
}
