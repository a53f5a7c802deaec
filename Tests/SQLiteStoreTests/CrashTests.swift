import Chronology
import JobModel
import MoondialTesting
import SQLiteStore
import Testing
import TestSupport

@Suite("A crash leaves whole commits")
struct CrashTests {
  /// Commits one batch at a time, each with a mark in four tables, then copies the database and its log as a power cut
  /// would leave them: the log cut at any byte.
  @Test(
    "a log cut anywhere opens clean and has lost whole last commits only", arguments: [7, UInt64.random(in: 0...9_999)])
  func cutLog(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    var numbers = SeededGenerator(seed)
    let store = try SQLiteStore(path, options: options { $0.checkpointPages = 1 << 20 })
    var schedule = ScheduleRecord(job: "a", trigger: nil, registeredAt: start)
    try store.commit(batch { $0.schedules = [schedule] })
    let before = try bytes(of: path + "-wal").count
    let commits = 60
    var ends: [Int] = []
    for number in 1...commits {
      schedule.fireCount = number
      try store.commit(
        batch {
          $0.fires = [FireUpdate(job: "a", nextFire: nil, lastFire: start, fireCount: number)]
          $0.claims = [claim(Int64(2 * number), "a")]
          $0.finished = [finished(Int64(2 * number + 1), "a")]
          if number > 1 { $0.finished.append(finished(Int64(2 * number - 2), "a")) }
          $0.clockEpoch = ClockEpoch(Int32(number))
        })
      ends.append(try bytes(of: path + "-wal").count)
    }
    let database = try bytes(of: path)
    let log = try bytes(of: path + "-wal")

    for round in 0..<40 {
      let cut = round == 0 ? log.count : Int.random(in: before...log.count, using: &numbers)
      let copy = directory.path("copy\(round).db")
      try write(database, to: copy)
      try write(Array(log[..<cut]), to: copy + "-wal")
      let survivor = try SQLiteStore(copy, options: options())
      defer { survivor.close() }
      let whole = ends.filter { $0 <= cut }.count
      let report = try survivor.doctor()
      #expect(report.isSound, "seed \(seed), cut at \(cut)")
      let snapshot = try survivor.load()
      #expect(snapshot.schedules.map(\.fireCount) == [whole], "seed \(seed), cut at \(cut)")
      #expect(snapshot.clockEpoch == ClockEpoch(Int32(whole)))
      #expect(snapshot.unfinished.map(\.id.number) == (whole == 0 ? [] : [Int64(2 * whole)]))
      #expect(report.counts.runs == (whole == 0 ? 0 : 2 * whole - 1))
      #expect(snapshot.nextRunID == (whole == 0 ? RunID(1) : RunID(Int64(2 * whole + 2))))
    }
  }

  @Test("a log with a flipped bit opens clean at the commit before it", arguments: [3])
  func flippedBit(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    var numbers = SeededGenerator(seed)
    let store = try SQLiteStore(path, options: options { $0.checkpointPages = 1 << 20 })
    try store.commit(batch { $0.schedules = [ScheduleRecord(job: "a", trigger: nil, registeredAt: start)] })
    let before = try bytes(of: path + "-wal").count
    for number in 1...30 {
      try store.commit(batch { $0.fires = [FireUpdate(job: "a", nextFire: nil, lastFire: start, fireCount: number)] })
    }
    let database = try bytes(of: path)
    let log = try bytes(of: path + "-wal")
    store.close()
    for round in 0..<20 {
      var damaged = log
      let at = Int.random(in: before..<log.count, using: &numbers)
      damaged[at] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
      let copy = directory.path("copy\(round).db")
      try write(database, to: copy)
      try write(damaged, to: copy + "-wal")
      let survivor = try SQLiteStore(copy, options: options())
      defer { survivor.close() }
      #expect(try survivor.doctor().isSound)
      let whole = try survivor.load().schedules[0].fireCount
      #expect(whole <= 30 && whole >= (at - before) * 30 / (log.count - before) - 1, "seed \(seed), bit at \(at)")
    }
  }
}
