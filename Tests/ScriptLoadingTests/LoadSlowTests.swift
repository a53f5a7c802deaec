import Basics
import JobModel
import Lua
import ScriptFixtures
import Synchronization
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("A script that takes long to load does not hold up the others")
struct LoadSlowTests {
  private final class Aside: Sendable {
    let scripts = Mutex<[SlowScript]>([])
    var last: SlowScript? { scripts.withLock { $0.last } }
    var count: Int { scripts.withLock { $0.count } }
  }

  private let aside = Aside()
  private let loader: ScriptLoader
  /// Some hundred milliseconds.
  private static let slow = "for i = 1, 3e7 do end job 'slow' { run = print }"
  private static let endless = "while true do end"

  init() throws {
    let aside = aside
    var timing = LoadTiming()
    timing.quick = 20_000_000
    timing.hurried = 5_000_000
    loader = try ScriptLoader(
      runtime: try LoadFixture.runtime.get(), zones: LoadFixture.zones, clock: LoadFixture.clock, timing: timing,
      putAside: { script in aside.scripts.withLock { $0.append(script) } })
  }

  private func load(
    _ files: KeyValuePairs<String, String>, after previous: LoadedGeneration? = nil, finished: SlowScript? = nil
  ) -> LoadedGeneration {
    loader.load(LoadFixture.snapshot(files), after: previous, finished: finished)
  }

  @Test(
    "the others are live at once, and it joins them when it has loaded; what names its jobs is no mistake meanwhile")
  func joins() throws {
    let files: KeyValuePairs = [
      "a.lua": "job 'a' { run = print }", "b.lua": "job 'b' { after = 'slow', run = print }", "s.lua": Self.slow,
    ]
    let first = load(files)
    #expect(first.jobs.map(\.name) == ["a", "b"])
    #expect(first.problems.isEmpty && first.loading == [ScriptPath("s.lua")])
    let script = try #require(aside.last)
    // Another load meanwhile does not wait for it, and does not begin it anew.
    let second = load(files, after: first)
    #expect(aside.count == 1 && second.loading == first.loading)
    #expect(script.evaluate())
    let third = load(files, after: second, finished: script)
    #expect(third.jobs.map(\.name) == ["a", "b", "slow"])
    #expect(third.problems.isEmpty && third.loading.isEmpty && third.number.number == first.number.number + 1)
  }

  @Test("an edit of it makes what was begun void; its last good version stays in force")
  func edited() throws {
    let first = load(["s.lua": "job 'old' { run = print }"])
    let second = load(["s.lua": Self.endless], after: first)
    #expect(second.jobs.map(\.name) == ["old"])
    let begun = try #require(aside.last)
    let third = load(["s.lua": "job 'new' { run = print }"], after: second)
    #expect(third.jobs.map(\.name) == ["new"] && third.loading.isEmpty)
    #expect(!begun.evaluate(), "it was cancelled")
    let fourth = load(["s.lua": "job 'new' { run = print }"], after: third, finished: begun)
    #expect(fourth.jobs.map(\.name) == ["new"])
  }

  @Test("a script that is gone is not waited for")
  func removed() throws {
    let first = load(["a.lua": "job 'a' { run = print }", "s.lua": Self.endless])
    let second = load(["a.lua": "job 'a' { run = print }"], after: first)
    #expect(second.loading.isEmpty)
    #expect(try #require(aside.last).evaluate() == false)
  }

  @Test("a script that never ends is told so, and the loader's end does not wait for it")
  func cancel() throws {
    let files: KeyValuePairs = ["a.lua": "job 'a' { run = print }", "s.lua": Self.endless]
    let first = load(files)
    let script = try #require(aside.last)
    loader.cancel()
    let second = load(["a.lua": "job 'b' { run = print }", "s.lua": Self.endless], after: first)
    #expect(second.jobs.map(\.name) == ["a"], "nothing is loaded any more")
    script.cancel()
    #expect(!script.evaluate())
  }

  @Test("an evaluation that goes on is ended by cancelling it")
  func cancelRunning() throws {
    _ = load(["s.lua": Self.endless])
    let script = try #require(aside.last)
    // The thread begins before or after the cancel: it ends in either case.
    let thread = try NamedThread("test-load", stackSize: 8 << 20, signals: .realTime) { _ = script.evaluate() }
    script.cancel()
    thread.join()
    #expect(script.evaluate() == false)
  }
}
