import Chronology
import Glibc
import JobModel
import MoondialTesting
import Testing
import TestSupport

@testable import SQLiteStore

@Suite("Backup and doctor")
struct BackupTests {
  @Test("a backup taken while a host commits is a whole store of one moment")
  func onlineBackup() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let host = try SQLiteStore(path, options: options())
    defer { host.close() }
    try host.commit(batch { $0.schedules = [ScheduleRecord(job: "a", trigger: "every 1s", registeredAt: start)] })
    for number in 1...500 {
      host.apply(
        batch {
          $0.fires = [FireUpdate(job: "a", nextFire: nil, lastFire: start, fireCount: number)]
          $0.finished = [finished(Int64(number), "a")]
        }
      ) { _ in }
      if number == 250 {
        let reader = try SQLiteStore(path, mode: .reader, options: options())
        try reader.backup(to: directory.path("backup.db"))
        reader.close()
      }
    }
    try host.commit(StoreBatch())
    #expect(unsafe access(directory.path("backup.db-wal"), F_OK) != 0)
    #expect(unsafe access(directory.path("backup.db.partial"), F_OK) != 0)

    let restored = try SQLiteStore(directory.path("backup.db"), options: options())
    defer { restored.close() }
    let report = try restored.doctor()
    #expect(report.isSound)
    #expect(
      try restored.load().schedules.map(\.fireCount) == [report.counts.runs], "both tables are of the same moment")
    try restored.commit(batch { $0.finished = [finished(501, "a")] })
  }

  @Test("an existing file is not overwritten, and a bad place leaves nothing behind")
  func badPlaces() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(directory.path("moondial.db"), options: options())
    defer { store.close() }
    let taken = directory.path("taken")
    try write([1, 2, 3], to: taken)
    let error = #expect(throws: StoreError.self) { try store.backup(to: taken) }
    #expect(error?.message.contains("exists already") == true)
    #expect(try bytes(of: taken) == [1, 2, 3])
    #expect(throws: StoreError.self) { try store.backup(to: directory.path("none/backup.db")) }
    #expect(throws: StoreError.self) { try store.backup(to: directory.path("moondial.db")) }
  }

  @Test("doctor counts what is there and names the host and the open runs")
  func report() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options())
    var waiting = claim(3, "b")
    waiting.claimedAt = nil
    try store.commit(
      batch {
        $0.schedules = [ScheduleRecord(job: "a", trigger: nil, registeredAt: start)]
        $0.finished = [finished(1, "a"), finished(2, "a", .failed)]
        $0.waiting = [waiting]
        $0.claims = [claim(4, "a")]
      })
    try store.keyValues.change(KeyValueChange(space: "s", key: "k", value: JSONText("1")), at: start)
    let report = try store.doctor()
    #expect(report.isSound && report.schemaVersion == SQLiteSchema.currentVersion)
    #expect((report.counts.jobs, report.counts.schedules, report.counts.runs) == (2, 1, 2))
    #expect((report.counts.keyValues, report.openRunCount) == (1, 2))
    #expect(report.openRuns.map(\.id.number) == [3, 4])
    #expect(report.openRuns.map { $0.claimedAt == nil } == [true, false])
    #expect(report.oldestRun == claim(1, "a").scheduledAt && report.newestRun == claim(2, "a").scheduledAt)
    #expect(report.scheduler?.contains("process \(getpid())") == true)
    #expect(report.schedulerSince != nil)
    #expect(try #require(report.size).logBytes > 0)
    store.close()
    let reader = try SQLiteStore(path, mode: .reader, options: options())
    defer { reader.close() }
    #expect(try reader.doctor().scheduler == nil)
  }

  @Test("runs reach from the earliest to the latest time, in whatever order they ran")
  func doctorOfBackfill() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(directory.path("moondial.db"), options: options())
    defer { store.close() }
    let none = try store.doctor()
    #expect(none.oldestRun == nil && none.newestRun == nil)
    var early = finished(2, "a")
    early.scheduledAt = finished(1, "a").scheduledAt.advanced(byNanoseconds: -3_600_000_000_000)
    try store.commit(batch { $0.finished = [finished(1, "a"), early] })
    let report = try store.doctor()
    #expect(report.oldestRun == early.scheduledAt && report.newestRun == finished(1, "a").scheduledAt)
  }
}
