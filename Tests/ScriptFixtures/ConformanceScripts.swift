internal import Basics
internal import Chronology
internal import FileWatching
internal import HostModules
package import JobModel
internal import ScriptLoading
package import ScriptRuntime

/// Lua jobs for the contract of executors: a host without services, and what is loaded for it.
package final class ConformanceScripts {
  package let log = LogCollector()
  package let host: LuaHost
  private let loader: ScriptLoader

  package init() throws {
    var services = HostServices.unwired
    services.log = log
    host = try LuaHost(services: services, declareModules: DeclareModules.modules)
    loader = try ScriptLoader(runtime: host.runtime, zones: services.zones)
  }

  deinit {
    host.stop()
    host.services.blockingPool.stop()
  }

  /// The code of the one job that the script declares.
  package func payload(_ script: String) throws -> any JobPayload {
    let content = FileContent(Array(script.utf8))
    let generation = loader.load(
      DirectorySnapshot([ScriptFile(ScriptPath("conformance.lua"), .script, .success(content))]))
    guard let job = generation.jobs.first else {
      throw PoolFixture.LoadProblem(description: generation.errors.map(\.description).joined(separator: "\n"))
    }
    return job.payload
  }
}
