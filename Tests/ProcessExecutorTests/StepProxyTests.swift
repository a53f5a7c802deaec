import Chronology
import JobModel
import ProcessExecutor
import ScriptFixtures
import Testing

/// Steps, parked runs, transactions and outboxes of runs in processes: kept by the host, under the run's own number.
@Suite("Durable runs in worker processes", .serialized, .timeLimit(.minutes(3)))
struct StepProxyTests {
  private func fixture(_ edit: (inout ProcessConfiguration) -> Void = { _ in }) throws -> PoolFixture {
    var configuration = ProcessConfiguration()
    configuration.workers = 1
    edit(&configuration)
    return try PoolFixture(processes: configuration)
  }

  @Test("do a step once, whichever process comes by it")
  func steps() throws {
    let fixture = try fixture { $0.recycleAfter = 1 }
    let job = try fixture.job(
      "local a = ctx:step('first', function() return { x = 1, by = ctx.process } end) "
        + "if ctx.attempt == 1 then error('again', 0) end return a.by ~= ctx.process")
    let order = RunOrder(
      token: RunToken(slot: 1, use: 1), id: RunID(5), job: job, attempt: 1, scheduledAt: .epoch)
    fixture.executor.submit([order])
    #expect(fixture.reports.ending(of: order.token).error?.message == "again")
    #expect(fixture.keeper.steps(of: RunID(5)).map(\.name) == ["first"])
    var second = order
    (second.token, second.attempt) = (RunToken(slot: 2, use: 1), 2)
    fixture.executor.submit([second])
    #expect(fixture.reports.ending(of: second.token).result == "true", "the result of the first process")
    #expect(fixture.keeper.steps(of: RunID(5)).count == 1)
  }

  @Test("park, and leave their process to others")
  func parked() throws {
    let fixture = try fixture()
    let slept = try fixture.run("ctx:sleep('3d') return 1")
    let sleep = try #require(slept.details?.park, "\(slept)")
    #expect(slept.outcome == .cancelled && sleep.kind == .sleep && sleep.run == RunID(1) && sleep.until != nil)
    let waits = try fixture.run("return ctx:wait_for('paid', '1h')")
    #expect(waits.details?.park?.name == "paid" && waits.details?.park?.run == RunID(2))
    #expect(try fixture.run("return 1").result == "1")
  }

  @Test("of jobs that watch files do not park, and have no outbox")
  func watching() throws {
    let fixture = try fixture()
    let watch = "watch = '/nowhere/*.csv',"
    let parked = fixture.run(try fixture.job("ctx:sleep('3d')", fields: watch))
    #expect(parked.outcome == .failed && parked.error?.message.contains("does not park") == true, "\(parked)")
    let sold = fixture.run(try fixture.job("ctx.outbox.emit('sold') return 1", fields: watch))
    #expect(sold.outcome == .failed && sold.error?.message.contains("has no outbox") == true, "\(sold)")
  }

  @Test("commit what they change together, or are told why not")
  func transactions() throws {
    let fixture = try fixture()
    let body = """
      return ctx:transaction(function(tx)
        tx.kv.set("a", 1)
        tx.kv.update("b", function(old) return (old or 0) + 2 end)
        tx.emit("e", { 1 })
        tx.run("other", { p = 1 })
        tx.schedule("other", { every = "1m", priority = 3 })
        tx.unschedule("a-7")
        return "done"
      end)
      """
    #expect(try fixture.run(body).result == "\"done\"")
    let commit = try #require(fixture.keeper.commits.first)
    #expect(commit.values.map(\.key) == ["a", "b"] && commit.values.allSatisfy { $0.space == "test.lua" })
    #expect(commit.values.allSatisfy { $0.quota != nil }, "the script's quota holds")
    #expect(
      commit.operations.map(\.words) == ["emit(\"e\")", "run(\"other\")", "schedule(\"other\")", "unschedule(\"a-7\")"])
    guard case .schedule(let request) = commit.operations[2] else { return #expect(Bool(false), "no schedule") }
    #expect(request.options.priority == 3 && request.quota != nil)
    fixture.keeper.answer([.conflict, .committed])
    #expect(try fixture.run(body).result == "\"done\"", "others had changed something")
    fixture.keeper.answer([.refused(HostRefusal("no job is named \"other\""))])
    #expect(try fixture.run("return select(2, \(body.dropFirst(7)))").result?.contains("no job is named") == true)
    fixture.keeper.answer([.failed(StoreError(.io, "the disk is full"))])
    #expect(try fixture.run(body).error?.message.contains("the disk is full") == true)
  }

  @Test("end with what is to be committed with their success")
  func outbox() throws {
    let fixture = try fixture()
    let report = try fixture.run(
      "ctx.outbox.kv.set('k', { 1 }) ctx.outbox.emit('sold', { n = 2 }) "
        + "ctx.outbox.schedule('other', { every = '5s' }) return 7")
    #expect(report.outcome == .succeeded && report.result == "7", "\(String(describing: report.error))")
    let outbox = try #require(report.details?.outbox)
    #expect(outbox.keyValues.map(\.key) == ["k"] && outbox.keyValues.allSatisfy { $0.space == "test.lua" })
    #expect(outbox.operations.map(\.words) == ["emit(\"sold\")", "schedule(\"other\")"] && outbox.encoded != nil)
    #expect(try fixture.run("ctx.outbox.emit('x') error('no', 0)").details?.outbox == nil)
  }
}
