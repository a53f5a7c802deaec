import ArgumentParser
import Basics
import Chronology
import Foundation
import Hosting
import JobModel
import ScriptLoading
import Testing

@testable import moondial

@Suite("A store that nobody has heard of", .serialized, .timeLimit(.minutes(5)))
struct ToyStoreTests {
  @Test("is configured, scheduled from, told what to keep, and read by commands through the protocols alone")
  func toy() throws {
    let place = try Place()
    let disk = ToyDisk()
    let kinds = StoreKinds(StoreKinds.standard.drivers + [ToyDriver(disk: disk)])
    func configure(_ runs: Int) throws {
      let text = "return { stores = { default = \"toy:shelf\" }, retention = { runs = \(runs) } }"
      try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    }
    try configure(50)
    try place.save("a.lua", #"job "greet" { run_at_start = true, run = function() print("hello") return 7 end }"#)
    let log = LogRenderer(zone: .utc, threshold: .error)
    let arguments = ["--dir", place.path + "/scripts", "--state", place.path + "/.moondial"]
    let options = try StoreOptions.parse(arguments)
    #expect(throws: CommandFailure.self, "there is nothing to read before a host has begun") {
      try ReadStores(options, kinds: kinds)
    }

    let ended = Monitor(false)
    var blueprint = SchedulerAssembly.Blueprint(log: log)
    blueprint.kinds = kinds
    blueprint.scripts = try options.settings.location(place.path + "/scripts")
    blueprint.onEvents = { events in
      for case .runFinished in events { ended.change { $0 = true } }
    }
    let host = try SchedulerAssembly(blueprint)
    try host.start()
    _ = ended.wait { $0 ? true : nil }
    #expect(disk.retention.withLock { $0?.standard.runs } == 50)
    try configure(60)
    host.rescan()
    _ = disk.retention.wait { $0?.standard.runs == 60 ? true : nil }
    host.stop(grace: 0)

    let stores = try ReadStores(options, kinds: kinds)
    #expect(stores.members.map(\.store.location) == ["toy:shelf"])
    #expect(try JobLookup.stored("greet", in: stores).count == 1)
    let runs = try StoreSource(stores).runs(RunsQuery(job: "greet")).items
    #expect(runs.map(\.outcome) == [.succeeded] && runs.map(\.result?.text) == ["7"])
    let job = try #require(stores.generation?.job(named: "greet"))
    let known = try KnownSchedules(stores, jobs: [job])
    #expect(known.schedule(of: job)?.job == "greet")
    #expect(known.lastRun(of: job)?.id.number == runs.first?.id)
    #expect(try OpenRuns(stores, now: SystemWallClock().now).all.isEmpty)
    let reports = try DoctorCommand.reports(of: stores)
    #expect(reports.flatMap { DoctorCommand.lines($0, .utc) }.contains { $0.contains("1 runs") })

    // What it cannot do is a sentence.
    #expect(!(stores.members[0].store is any BackupStore) && !(stores.members[0].store is any ExternalRunStore))
  }
}
