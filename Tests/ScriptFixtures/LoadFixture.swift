package import Chronology
package import JobModel
package import Lua
package import TestSupport

package import FileWatching
internal import ScriptRuntime
package import ScriptLoading
internal import HostModules

/// Loads scripts given as texts, without a disk.
package final class LoadFixture {
  /// A clock that stands still: 2026-06-01T12:00:00Z.
  package static var clock: StandingClock { StandingClock(Instant(seconds: 1_780_315_200)) }
  package static let zones = TimeZoneDatabase()
  /// Kinds of stores that a configuration may name here; none can be opened.
  package static let kinds = StoreKinds([
    NamedKind(["sqlite"], "sqlite:FILE", hasDurability: true) { !$0.rest.isEmpty },
    NamedKind(["memory"], "memory") { $0.rest.isEmpty },
    NamedKind(["postgres", "postgresql"], "postgres://…") { $0.rest.hasPrefix("//") },
    NamedKind(["mongodb", "mongodb+srv"], "mongodb://…") { $0.rest.hasPrefix("//") },
  ])
  package static let runtime = Result { try LuaRuntime(modules: DeclareModules.modules + [printing, logging]) }
  private static let printing = LuaModule("", functions: [LuaFunction("print") { _ in .results(0) }])
  private static let logging = LuaModule("log", functions: [LuaFunction("info") { _ in .results(0) }])
  package let runtime: LuaRuntime
  package let loader: ScriptLoader
  /// Answers `retryLater`, and counts how often it was asked.
  private let retry: Retry

  private final class Retry {
    var answers: [Bool] = []
    var asked: [ScriptPath] = []
  }

  package init(retries: [Bool] = []) throws {
    runtime = try Self.runtime.get()
    let retry = Retry()
    retry.answers = retries
    self.retry = retry
    loader = try ScriptLoader(
      runtime: runtime, zones: Self.zones, clock: LoadFixture.clock, systemZone: "UTC",
      retryLater: { file in
        retry.asked.append(file.path)
        return retry.answers.isEmpty ? false : retry.answers.removeFirst()
      })
  }

  /// The paths that `retryLater` was asked about so far.
  package var retried: [ScriptPath] { retry.asked }

  /// A snapshot of files by path.
  package static func snapshot(_ files: KeyValuePairs<String, String>) -> DirectorySnapshot {
    DirectorySnapshot(
      files.map { path, text in
        let path = ScriptPath(path)
        let content = FileContent(Array(text.utf8))
        if let name = path.moduleName { return ScriptFile(path, .module(name: name), .success(content)) }
        return ScriptFile(path, .script, .success(content))
      })
  }

  package func load(
    _ files: KeyValuePairs<String, String>, after previous: LoadedGeneration? = nil,
    configuration: HostConfiguration = .init(), changes: Set<ScriptPath> = []
  ) -> LoadedGeneration {
    loader.load(Self.snapshot(files), after: previous, configuration: configuration, changes: changes)
  }

  /// The one job that `script` declares; fails the test with its problems when there is none.
  package func job(_ script: String, configuration: HostConfiguration = .init()) throws -> JobDefinition {
    let generation = load(["a.lua": script], configuration: configuration)
    guard let job = generation.jobs.first, generation.errors.isEmpty else { throw NoJob(problems: generation.problems) }
    return job
  }

  package struct NoJob: Error, CustomStringConvertible {
    package let problems: [ScriptProblem]
    package var description: String { problems.map(\.description).joined(separator: "\n") }
  }

  /// Everything there is to tell about one script called a.lua.
  package func problems(_ script: String, configuration: HostConfiguration = .init()) -> [String] {
    load(["a.lua": script], configuration: configuration).problems.map(\.description)
  }
}

/// A kind of store that a configuration may name.
private struct NamedKind: StoreDriver {
  let schemes: [String]
  let example: String
  let hasDurability: Bool
  private let isFine: @Sendable (StoreAddress) -> Bool

  init(
    _ schemes: [String], _ example: String, hasDurability: Bool = false,
    accepts: @escaping @Sendable (StoreAddress) -> Bool
  ) {
    self.schemes = schemes
    self.example = example
    self.hasDurability = hasDurability
    isFine = accepts
  }

  func accepts(_ address: StoreAddress) -> Bool { isFine(address) }
  func location(of address: StoreAddress, in directory: String?) -> StoreLocation? { nil }
  func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    throw StoreError(.unsupported, "no store can be opened here")
  }
}
