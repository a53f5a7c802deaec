import Basics
import Chronology
import FileWatching
import HostModules
import JobModel
import MoondialTesting
import ProcessExecutor
import ScriptFixtures
import ScriptLoading
import ScriptRuntime
import Testing

/// The same contract as of every executor, with the built program as worker.
@Suite("Processes keep the contract of executors", .serialized, .timeLimit(.minutes(3)))
struct ProcessConformanceTests {
  @Test("every claim", arguments: ExecutorConformance.claims)
  func conforms(claim: ExecutorConformance.Claim) throws {
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
        var settings = ProcessConfiguration()
        settings.program = PoolFixture.binary
        return ProcessExecutor(settings, luaHost: host)
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
