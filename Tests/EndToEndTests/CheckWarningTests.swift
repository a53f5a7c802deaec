import Foundation
import Testing

@Suite("check warns of what will fail at three in the morning", .timeLimit(.minutes(5)))
struct CheckWarningTests {
  @Test("functions, programs, grants, settings, retention and dates")
  func everything() throws {
    let place = try Place()
    try place.save(
      "backup.lua",
      """
      job "backup" { every = "1h", end_date = "2020-01-01", run = function()
        fs.raed("a")
        exec { "rsync", "-a" }
      end }
      """)
    try Data(
      """
      return { grants = { ["bakup.lua"] = { exec = true } }, retention = { jobs = { bakup = { runs = 10 } } } }
      """.utf8
    ).write(to: URL(filePath: place.path + "/moondial.lua"))
    try place.save("smoke_test.lua", "job 'smoke' { run = print }\n")
    try place.save("fine_test.lua", "test('backup', function(t) t:equal(t:run('backup').job, 'backup') end)\n")
    // The former are read by commands; nobody reads the last one.
    let check = try HostProcess(
      ["check"], in: place.path, shell: "export MOONDIAL_TIMEZON=UTC MOONDIAL_SERVER= MOONDIAL_GRACE=5s")
    #expect(try check.awaitExit() == 0)
    let errors = check.lines.filter(\.isError).map(\.text)
    for message in [
      "backup.lua:1: note: job \"backup\": end_date is over",
      "backup.lua:2: note: there is no function fs.raed; did you mean fs.read?",
      "backup.lua:3: note: backup.lua has no grant for the program rsync",
      "moondial.lua: note: grants[\"bakup.lua\"] matches no script; did you mean \"backup.lua\"?",
      "moondial.lua: note: retention.jobs[\"bakup\"]: there is no job of that name; did you mean \"backup\"?",
      "environment: note: there is no setting MOONDIAL_TIMEZON; did you mean MOONDIAL_TIMEZONE?",
      "environment: note: there is no setting MOONDIAL_GRACE",
      "smoke_test.lua: note: a name that ends in _test.lua is a test's: no host loads it",
    ] {
      #expect(errors.contains { $0.contains(message) }, "\(message) is not in \(errors)")
    }
    #expect(errors.count == 8, "\(errors)")
  }

  @Test("a store that no host of this version can open is a mistake")
  func store() throws {
    let place = try Place()
    try place.save("a.lua", "job 'a' { run = print }\n")
    for address in ["postgres://db.example.org/x", "mongodb://db.example.org/x"] {
      let check = try place.run("check", "--set", "stores.far=\(address)")
      // A kind that this version has is none of these.
      guard check.status != 0 else { continue }
      #expect(check.status == 1)
      #expect(check.errors.contains { $0.hasPrefix("moondial.lua: stores.far: this version has no") }, "\(check)")
    }
    #expect(try place.run("check", "--set", "stores.near=memory:").status == 0)
  }

  @Test(
    "a zone by TZ reaches the first line",
    arguments: [
      ("<-03>3", "zone <-03>3 (from TZ)"), (":Asia/Tokyo", "zone Asia/Tokyo (from TZ)"), ("", "zone UTC (from TZ)"),
    ])
  func zone(tz: String, words: String) throws {
    let place = try Place()
    try place.save("stop.lua", "job 'x' { every = '1h', run = print }\n")
    let host = try HostProcess(["run", "scripts"], in: place.path, shell: "export TZ='\(tz)'")
    let line = try host.awaitLine(containing: "workers")
    #expect(line.contains(words), "\(line)")
  }
}
