import Chronology
import Foundation
import Glibc
import JobModel
import Testing

@Suite("A host that starts again, end to end", .serialized)
struct RestartTests {
  private func stop(_ host: HostProcess) throws {
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  /// Hosts the place until `line` has come, then ends.
  private func hostUntil(_ line: String, _ place: Place, _ more: String...) throws -> HostProcess {
    let host = try HostProcess(["run", "scripts"] + more, in: place.path)
    defer { host.signal(SIGKILL) }
    try host.awaitLine(containing: line)
    try stop(host)
    return host
  }

  private func makeLibrary(_ place: Place, _ text: String) throws {
    try FileManager.default.createDirectory(
      atPath: place.path + "/scripts/lib", withIntermediateDirectories: true)
    try place.save("lib/words.lua", text)
  }

  @Test("a script that is broken now goes on with its last good version, and everybody says so")
  func brokenScript() throws {
    let place = try Place()
    try makeLibrary(place, "return { text = 'version one' }")
    try place.save(
      "a.lua", "local w = require 'words' job 'tick' { every = '50ms', run = function() print(w.text) end }\n")
    _ = try hostUntil("version one", place)
    try place.save("a.lua", "job 'tick' { evry = '50ms', run = function() print('version two') end }\n")
    try makeLibrary(place, "return { text = 'another library' }")
    let host = try place.host()
    try host.awaitLine(containing: "1 job from 1 script")
    #expect(host.lines.first?.text.contains("1 job from 1 script") == true, "the host speaks first: \(host.text)")
    try host.awaitLine { $0.contains(" error ") && $0.contains("a.lua:1: ") && $0.contains("evry") }
    try host.awaitLine { $0.contains(" warn ") && $0.contains("a.lua: ") && $0.contains("its last good version, of 2") }
    try host.awaitLine(containing: "version one")
    #expect(!host.text.contains("tick: "), "nothing is said of a gone script")

    let list = try place.run("list")
    #expect(list.output.contains { $0.hasPrefix("tick ") })
    #expect(list.errors.contains { $0.contains("its last good version, of 2") })
    let check = try place.run("check")
    #expect(check.status == 1)
    #expect(check.errors.contains { $0.contains("its last good version, of 2") })

    try place.save("a.lua", "job 'tick' { every = '50ms', run = function() print('version three') end }\n")
    try host.awaitLine(containing: "version three")
    try stop(host)
  }

  @Test("so does a script whose module, calendar or right to be read broke", arguments: ["module", "calendar", "mode"])
  func brokenEnvironment(what: String) throws {
    // A mode keeps nobody out who is root.
    if what == "mode", geteuid() == 0 { return }
    let place = try Place()
    try makeLibrary(place, "return { text = 'all is well' }")
    try place.save(
      "days.ics",
      """
      BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260101\r
      END:VEVENT\r\nEND:VCALENDAR\r\n
      """)
    try place.save(
      "a.lua",
      """
      local w = require "words"
      job "tick" { every = "50ms", run = function() print(w.text) end }
      job "day" { trigger = calendar_of { ics = "days.ics" }, run = print }
      """)
    _ = try hostUntil("all is well", place)
    switch what {
    case "module": try makeLibrary(place, "this is no Lua")
    case "calendar": try place.save("days.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:nonsense\r\n")
    default: _ = unsafe chmod(place.path + "/scripts/a.lua", 0)
    }
    let host = try place.host()
    try host.awaitLine(containing: "2 jobs from 1 script")
    try host.awaitLine(containing: "its last good version, of 2")
    try host.awaitLine(containing: "all is well")
    try stop(host)
  }

  @Test("a job that runs at the start and has missed a fire time runs once, and nothing warns")
  func missedBeforeStart() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      "job 'hello' { every = '1h', run_at_start = true, run = function(ctx) print('hello: missed ' .. ctx.missed) end }\n"
    )
    _ = try hostUntil("hello: missed 0", place)
    // As if the host had been away at the fire time.
    let store = try openStore(place.store)
    var record = try #require(try store.load().schedules.first { $0.job == "hello" })
    record.registeredAt = record.registeredAt.advanced(byNanoseconds: -7_200_000_000_000)
    record.nextFire = record.nextFire?.advanced(byNanoseconds: -5_400_000_000_000)
    var batch = StoreBatch()
    batch.schedules = [record]
    try store.commit(batch)
    store.close()
    let host = try hostUntil("hello: missed 1", place)
    #expect(!host.lines.contains { $0.text.contains(" warn ") && $0.text.contains("hello") }, "\(host.text)")
    let runs = try place.run("history", "hello", "--json").output
    #expect(runs.count == 2, "\(runs)")
    let explained = try place.run("explain", "hello").output.joined(separator: "\n")
    #expect(explained.contains("coalesced"), "\(explained)")
  }

  @Test("only what the last good versions need is kept")
  func keptFiles() throws {
    let place = try Place()
    try place.save("a.lua", "job 'tick' { every = '50ms', run = function() print('version 0') end }\n")
    let host = try place.host()
    for version in 1...4 {
      try host.awaitLine(containing: "version \(version - 1)")
      try place.replace("a.lua", "job 'tick' { every = '50ms', run = function() print('version \(version)') end }\n")
    }
    try host.awaitLine(containing: "version 4")
    try stop(host)
    let directory = place.path + "/.moondial/scripts"
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 2, "the script and the index")
    // What a crash left behind goes with the next change.
    try Data("x".utf8).write(to: URL(fileURLWithPath: directory + "/" + String(repeating: "0", count: 64)))
    try place.save("b.lua", "job 'tock' { every = '50ms', run = function() print('of b') end }\n")
    _ = try hostUntil("of b", place)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 3)
    // An index that is cut off counts as none, and the next one is whole.
    _ = unsafe truncate(directory + "/index", 100)
    _ = try hostUntil("of b", place)
    try place.save("b.lua", "job 'tock' { evry = 5 }\n")
    _ = try hostUntil("its last good version, of 2", place)
  }

  @Test("who had a job's name before the restart keeps it")
  func sameName() throws {
    let place = try Place()
    try place.save("b.lua", "job 'tick' { every = '50ms', run = function() print('of b') end }\n")
    try place.save("a.lua", "job 'other' { every = '1h', run = print }\n")
    _ = try hostUntil("of b", place)
    // The first by path would win among new ones.
    try place.save("a.lua", "job 'tick' { every = '50ms', run = function() print('of a') end }\n")
    let host = try place.host()
    try host.awaitLine { $0.contains("a.lua:1: ") && $0.contains("already declared at b.lua:1") }
    try host.awaitLine(containing: "a.lua: note: as it is now it cannot be loaded")
    try host.awaitLine(containing: "of b")
    try stop(host)
    #expect(!host.text.contains("of a\n"))
  }

  @Test("an orphan is told in the right words, once; then counted, listed and forgotten")
  func orphans() throws {
    let place = try Place()
    try place.save("gone.lua", "job 'one' { every = '1h', run = print }\n")
    try place.save("renamed.lua", "job 'two' { every = '1h', run = print }\n")
    try place.save("broken.lua", "job 'three' { every = '1h', run = print }\n")
    _ = try hostUntil("3 jobs", place)
    try FileManager.default.removeItem(atPath: place.path + "/.moondial/scripts")
    try place.save("gone.lua", "job 'one' { every = '1h', run = print } job 'four' { every = '1h', run = print }\n")
    try place.save("broken.lua", "job 'three' { evry = 5 }\n")
    // Written down which script had which job, but no version of the broken one.
    let first = try hostUntil("3 jobs", place)
    #expect(first.text.contains("three: no script declares it any more"))
    #expect(first.text.contains("broken.lua:"))
    try place.remove("gone.lua")
    try place.save("renamed.lua", "job 'zwei' { every = '1h', run = print }\n")
    let second = try hostUntil("`moondial forget JOB` drops it", place)
    #expect(second.text.contains("one: its script is gone (gone.lua)"))
    #expect(second.text.contains("two: renamed.lua declares it no more"))
    #expect(!second.text.contains("three: "))
    let third = try hostUntil("4 jobs that no script declares are kept", place)
    #expect(!third.text.contains(" warn "), "\(third.text)")

    let listed = try place.run("list", "--orphans")
    #expect(listed.output.dropFirst().map { String($0.prefix { $0 != " " }) } == ["four", "one", "three", "two"])
    #expect(try place.run("forget", "zwei").status == 1)
    #expect(try place.run("forget", "thre").errors.joined().contains("did you mean \"three\"?"))
    for job in ["four", "one", "three"] { #expect(try place.run("forget", job).status == 0) }
    #expect(try place.run("list", "--orphans", "--json").output.joined().contains("\"two\""))
    #expect(try place.run("forget", "two").status == 0)
    #expect(try place.run("list", "--orphans").output == ["every job that the store knows is declared by a script"])
  }

  @Test("the host's line comes before any run's, and a run's start before its own lines")
  func order() throws {
    let place = try Place()
    let body = "run_at_start = true, run = function() print('own line') end }"
    try place.save("a.lua", (1...40).map { "job 'now\($0)' { \(body)\n" }.joined())
    let host = try place.host("-v")
    try host.awaitLine(containing: "now40 #")
    for _ in 1...3 { _ = host }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let lines = host.lines.map(\.text)
    let first = try #require(lines.firstIndex { $0.contains("moondial 0.") })
    #expect(lines.firstIndex { $0.contains(" #") }! > first)
    for job in 1...40 {
      let own = lines.filter { $0.contains("now\(job) #") }
      #expect(own.count >= 3 && own[0].hasSuffix("started") && own[1].hasSuffix("own line"), "\(own)")
    }
  }

  @Test("a damaged store is refused, in one sentence that says what to do")
  func damaged() throws {
    let place = try Place()
    try place.save("a.lua", "job 'tick' { every = '10ms', run = function() print('ran ' .. ('x'):rep(400)) end }\n")
    _ = try hostUntil("tick #40", place)
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: place.store))
    // A page in the middle, as a bad sector leaves it.
    try file.seek(toOffset: try file.seekToEnd() / 2 / 4_096 * 4_096)
    try file.write(contentsOf: Data(repeating: 0xA5, count: 4_096))
    try file.close()
    let ended = try place.run("run", "scripts")
    #expect(ended.status == 1)
    #expect(ended.errors.count == 1, "\(ended.errors)")
    #expect(ended.errors.first?.contains("the file is damaged (") == true)
    #expect(ended.errors.first?.contains("restore it from a backup") == true)
  }

  @Test("what a full disk kept from being written when the host ended is said")
  func fullDisk() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "slow" { run_at_start = true, run = function() print("slow begins") sleep("3s") end }
      job "filler" {
        run_at_start = true,
        run = function()
          sleep("500ms")
          -- Until not even the smallest change fits.
          for _, size in ipairs { 100000, 5000, 10 } do
            local number = 0
            while pcall(kv.set, "k" .. size .. "." .. number, ("x"):rep(size)) do number = number + 1 end
          end
          print("full")
        end,
      }
      """)
    let host = try HostProcess(
      ["run", "scripts", "--grace", "10s"], in: place.path, shell: "trap '' XFSZ; ulimit -f 8192")
    defer { host.signal(SIGKILL) }
    try host.awaitLine(containing: ": full")
    host.signal(SIGTERM)
    let line = try host.awaitLine(containing: "not written when the host ended: ")
    // Outcomes go before values, so which run it is depends on how full the last page was.
    #expect(line.contains(" error ") && line.contains("no space is left"), "\(line)")
    #expect(line.contains("filler #") || line.contains("slow #"), "\(line)")
    #expect(try host.awaitExit() == 0)
  }

  @Test("a name that no script declares is an error at the line of the call; what is refused is not tried again")
  func refusals() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "nightly" { run = print }
      job "asks" { run_at_start = true, run = function()
        for _, name in ipairs { "run", "pause", "resume" } do print(select(2, pcall(jobs[name], "nightli"))) end
        print(select(2, pcall(jobs.schedule, "nightli", { every = "1h" })))
        print("no schedule: " .. select(2, jobs.unschedule("none")))
        jobs.run("reads") jobs.run("fails")
      end }
      job "reads" {
        retry = { max = 5, base = "10ms" },
        run = function() fs.read("\(place.path)/secret") end,
      }
      job "fails" { retry = { max = 2, base = "10ms" }, run = function() error("network") end }
      """)
    let host = try place.host()
    for name in ["run", "pause", "resume"] {
      try host.awaitLine {
        $0.contains("jobs.\(name): no job is named \"nightli\"; did you mean \"nightly\"?")
      }
    }
    try host.awaitLine(containing: "jobs.schedule: no job is named \"nightli\"")
    try host.awaitLine(containing: "no schedule: no schedule has the id \"none\"")
    // In whichever order the two come to their ends.
    var ended: Set<String> = []
    while ended.count < 2 {
      let line = try host.awaitLine { $0.contains(" failed after ") }
      for job in ["reads", "fails"] where line.contains("\(job) #") { ended.insert(job) }
    }
    try stop(host)
    let reads = host.lines.map(\.text).filter { $0.contains("reads #") }
    #expect(reads.count == 1 && reads[0].contains("has no grant for reading"), "\(reads)")
    #expect(host.lines.count { $0.text.contains("fails #") } == 3)
  }
}
