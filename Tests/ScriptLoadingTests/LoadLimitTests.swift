import JobModel
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("groups and rates of jobs")
struct LoadLimitTests {
  private let configuration: HostConfiguration = {
    var configuration = HostConfiguration()
    configuration.groups = ["database": GroupLimit(max: 2), "api": GroupLimit(max: 5)]
    return configuration
  }()

  @Test("a job joins a group and has a rate; false takes a default back")
  func fields() throws {
    let fixture = try LoadFixture()
    let script = """
      job_defaults { group = "api", rate = "3/1h" }
      job "own" { group = "database", rate = "10/1m", run = print }
      job "default" { run = print }
      job "free" { group = false, rate = false, run = print }
      """
    let generation = fixture.load(["a.lua": script], configuration: configuration)
    #expect(generation.problems.isEmpty)
    #expect(generation.jobs.map(\.group) == ["database", "api", nil])
    #expect(generation.jobs.map { $0.rate?.text } == ["10/1m", "3/1h", nil])
    #expect(generation.jobs[0].rate?.window == 60_000_000_000)
  }

  @Test("an unknown group is an error with its place and the closest name")
  func unknown() throws {
    let fixture = try LoadFixture()
    #expect(
      fixture.problems("job \"a\" {\n  group = \"databse\", run = print }", configuration: configuration)
        == ["a.lua:1: job \"a\": there is no group \"databse\"; did you mean \"database\"?"])
    #expect(
      fixture.problems("job \"a\" { group = \"x\", run = print }", configuration: configuration)
        == ["a.lua:1: job \"a\": there is no group \"x\"; moondial.lua has \"api\", \"database\""])
  }

  @Test("a group that moondial.lua gains or loses is seen by scripts that did not change")
  func reload() throws {
    let fixture = try LoadFixture()
    let files: KeyValuePairs = ["a.lua": "job \"a\" { group = \"database\", run = print }"]
    let first = fixture.load(files)
    #expect(first.errors.count == 1)
    let second = fixture.load(files, after: first, configuration: configuration)
    #expect(second.errors.isEmpty && second.jobs.map(\.group) == ["database"])
    var raised = configuration
    raised.groups["database"] = GroupLimit(max: 9)
    let third = fixture.load(files, after: second, configuration: raised)
    #expect(third.scripts[0].evaluation === second.scripts[0].evaluation, "another limit is no other job")
    #expect(third.configuration.groups["database"]?.max == 9)
  }
}
