import JobModel
import Testing
import Triggers

@testable import Scheduling

@Suite("Jobs that have gone leave nothing behind")
struct ForgettingTests {
  /// Declares exactly these jobs, and lets the store have everything.
  private func declare(_ f: inout Fixture, _ definitions: [JobDefinition]) -> [String] {
    f.core.reconcile(definitions, at: f.now, into: &f.actions)
    f.core.advance(to: f.now, into: &f.actions)
    f.absorb()
    f.core.batchTaken(by: 0)
    f.core.batchIsDurable(in: 0, into: &f.actions)
    let forgotten = f.actions.stores[0].batch.forgotten
    f.absorb()
    return forgotten
  }

  @Test("a new name with each of a thousand reloads: neither the table nor anything beside it grows")
  func bounded() {
    var f = Fixture([definition("base")])
    f.core.configuration.orphansMax = 10
    var forgotten = 0
    for number in 0..<1_000 {
      let job = definition("job\(number)") {
        $0.events = ["e\(number)"]
        $0.after = ["base"]
        $0.rate = RateLimit(count: 1, window: second, text: "1/1s")
      }
      forgotten += declare(&f, [definition("base"), job]).count
    }
    #expect(forgotten == 1_000 - 11)
    #expect(f.core.jobs.count <= 14 && f.core.jobs.names.count == 12)
    #expect(f.core.limits.queues.count <= 13 && f.core.limits.groups.count <= 13)
    #expect(f.core.listeners.events.count <= 12 && f.core.listeners.downstream["base"]?.count ?? 0 <= 12)
    #expect(f.core.jobs.orphans.queue.count <= 11 && f.core.due.count == 2)
    f.core.due.checkInvariants()
    #expect(f.core.index(of: "job3") == nil && f.core.index(of: "job999") != nil)
  }

  @Test("a place that is used again is nobody's old event's, and the new job's own fires are its own")
  func reused() {
    var f = Fixture([definition("old", every: nil) { $0.events = ["e"] }])
    f.core.configuration.orphansMax = 0
    #expect(declare(&f, []) == ["old"])
    #expect(f.core.emit("e", data: nil, at: f.now, into: &f.actions) == 0)
    _ = declare(&f, [definition("new", every: 10 * second)])
    #expect(f.core.jobs.count == 1)
    #expect(f.core.emit("e", data: nil, at: f.now, into: &f.actions) == 0)
    f.advance(to: 10)
    #expect(f.fires("new") == [10] && f.fires("old") == [])
  }

  @Test("what still runs, and what the store has not confirmed, stays")
  func kept() throws {
    var f = Fixture([definition("runs", every: 10 * second), definition("dynamic", every: nil)])
    f.core.configuration.orphansMax = 0
    try f.schedule("dynamic", .every(nanoseconds: 10 * second), id: "d")
    f.advance(to: 10)
    f.startRun()
    f.startRun()
    // The batch with the orphans' records is not durable yet.
    f.core.reconcile([], at: f.now, into: &f.actions)
    f.settle()
    f.core.batchIsDurable(in: 0, into: &f.actions)
    #expect(f.actions.stores[0].batch.forgotten.isEmpty)
    #expect(declare(&f, []) == [], "one runs, and a run of the other's schedule")
    f.endRun()
    #expect(declare(&f, []) == ["runs"])
    #expect(f.core.scheduled("d") != nil && f.core.index(of: "dynamic") != nil)
    f.endRun()
    #expect(declare(&f, []) == ["dynamic"])
    #expect(f.core.scheduled("d") == nil)
  }

  @Test("a thousand names with dynamic schedules leave no slots, only ids that stay taken until they are taken away")
  func schedules() throws {
    var f = Fixture([definition("base")])
    f.core.configuration.orphansMax = 0
    for number in 0..<1_000 {
      _ = declare(&f, [definition("job\(number)", every: nil)])
      try f.schedule("job\(number)", .every(nanoseconds: 60 * second), id: "d\(number)")
    }
    _ = declare(&f, [definition("other", every: nil)])
    #expect(f.core.jobs.count <= 6 && f.core.jobs.dynamic.isEmpty && f.core.due.count == 0)
    #expect(throws: SchedulerCore.Refusal.scheduleExists("d7")) {
      try f.schedule("other", .every(nanoseconds: second), id: "d7")
    }
    try f.unschedule("d7")
    f.settle()
    #expect(f.dynamic["d7"] == nil && f.dynamic["d8"]?.job == "job8")
    try f.schedule("other", .every(nanoseconds: second), id: "d7")
    #expect(f.core.scheduled("d7") != nil)
  }

  @Test("a dynamic schedule comes back with its job, but not one that was taken away meanwhile")
  func recalledSchedules() throws {
    let job = definition("a", every: nil)
    var f = Fixture([job])
    f.core.configuration.orphansMax = 0
    for id in ["stays", "goes"] { try f.schedule("a", .every(nanoseconds: 60 * second), id: id) }
    _ = declare(&f, [])
    #expect(f.core.index(of: "a") == nil && f.core.jobs.dynamic.isEmpty)
    // The store is asked before it has heard that one is taken away.
    let known = [f.schedules["a"]!] + f.dynamic.values.sorted { ($0.id ?? "") < ($1.id ?? "") }
    try f.unschedule("goes")
    f.core.recall(known, store: 0, reading: readTrigger)
    _ = declare(&f, [job])
    #expect(f.core.dynamicSchedules.map(\.id) == ["stays"])
    f.advance(to: 60)
    #expect(f.fires("a") == [60])
  }

  @Test("one that comes back is asked for, and goes on where its store knows it to stand")
  func recalled() throws {
    let job = definition("a", every: 10 * second)
    var f = Fixture([job])
    f.core.configuration.orphansMax = 0
    f.advance(to: 10)
    f.startRun()
    f.endRun()
    try f.core.pause("a", into: &f.actions)
    f.settle()
    #expect(f.core.forgotten(among: [job]).isEmpty, "nothing was forgotten so far")
    #expect(declare(&f, []) == ["a"])
    #expect(f.core.forgotten(among: [job, definition("b")]) == ["a", "b"])
    f.core.recall([f.schedules["a"]!], store: 0, reading: readTrigger)
    #expect(f.core.forgotten(among: [job]).isEmpty)
    _ = declare(&f, [job])
    let back = try #require(f.core.jobs.first { $0.entry.definition.name == "a" })
    #expect(back.isPaused && back.fireCount == 1 && back.lastFire == t(10))
  }

  @Test("a job has as many dynamic schedules as its quota says, and one more when one is over")
  func quota() throws {
    var f = Fixture([definition("a", every: nil), definition("b", every: nil)])
    func schedule(
      _ f: inout Fixture, _ job: String, _ id: String?, _ at: Double = 30
    ) throws(SchedulerCore.Refusal) {
      var request = ScheduleRequest(job: job, id: id, trigger: .at([t(at)]))
      request.quota = 3
      request.replaceExisting = true
      _ = try f.core.schedule(request, at: f.now, into: &f.actions)
    }
    for id in ["1", "2", "3", "3"] { try schedule(&f, "a", id) }
    #expect(throws: SchedulerCore.Refusal.tooManySchedules("a", quota: 3)) { try schedule(&f, "a", "4") }
    try schedule(&f, "b", "4")
    try f.unschedule("1")
    try schedule(&f, "a", "5", 20)
    #expect(throws: SchedulerCore.Refusal.tooManySchedules("a", quota: 3)) { try schedule(&f, "a", "6") }
    f.advance(to: 20)
    f.startRun()
    f.endRun()
    try schedule(&f, "a", "6")
    #expect(f.core.jobs.indices.reduce(0) { $0 + f.core.jobs.dynamicCount(of: JobIndex($1)) } == 4)
  }
}
