import Foundation
import MoondialScheduler
import MoondialTesting
import Testing

@Suite("Dynamic schedules", .timeLimit(.minutes(1)))
struct ScheduleTests {
  private let clock = ManualClock()
  private let notes = Notes()

  private func started() async throws -> Scheduler {
    var configuration = Configuration()
    configuration.log = .none
    let scheduler = Scheduler(configuration, clock: clock)
    try await scheduler.add("send") { [notes] run in notes.add(run.params?.text ?? "-") }
    try await scheduler.start()
    return scheduler
  }

  @Test("several for one job, each with its own parameters; one that is over is gone")
  func several() async throws {
    let scheduler = try await started()
    let ann = try await scheduler.schedule(
      "send", .at(clock.date.addingTimeInterval(60)), JobOptions(params: #"{"to":"ann"}"#))
    try await scheduler.schedule("send", .every(.seconds(40)), JobOptions(params: #"{"to":"bob"}"#), id: "bob")
    #expect(await scheduler.schedules().map(\.id) == ["bob", ann].sorted())
    await clock.advance(by: .seconds(90))
    #expect(notes.all == [#"{"to":"bob"}"#, #"{"to":"ann"}"#, #"{"to":"bob"}"#])
    #expect(await scheduler.schedules(of: "send").map(\.id) == ["bob"])
    #expect(try await scheduler.history(of: "send").map(\.schedule) == ["bob", ann, "bob"])
    try await scheduler.unschedule("bob")
    await clock.advance(by: .seconds(90))
    #expect(notes.count == 3)
    await scheduler.stop()
  }

  @Test("a date that is past is due at once")
  func past() async throws {
    let scheduler = try await started()
    try await scheduler.schedule("send", .at("2020-01-01"))
    await clock.advance(by: .zero)
    #expect(notes.all == ["-"])
    await scheduler.stop()
  }

  @Test("ids are unique, unless one gives way; what is not a schedule's to say is refused")
  func refusals() async throws {
    let scheduler = try await started()
    try await scheduler.schedule("send", .every(.seconds(60)), id: "a")
    let taken = await #expect(throws: SchedulerError.self) {
      try await scheduler.schedule("send", .every(.seconds(60)), id: "a")
    }
    #expect(taken?.code == .duplicate)
    try await scheduler.schedule("send", .every(.seconds(10)), id: "a", replacing: true)
    await clock.advance(by: .seconds(30))
    #expect(notes.count == 3)
    let unknown = await #expect(throws: SchedulerError.self) {
      try await scheduler.schedule("sned", .every(.seconds(60)))
    }
    #expect(unknown?.code == .unknown)
    let gone = await #expect(throws: SchedulerError.self) { try await scheduler.unschedule("b") }
    #expect(gone?.code == .unknown)
    let overlap = await #expect(throws: SchedulerError.self) {
      try await scheduler.schedule("send", .every(.seconds(60)), JobOptions(overlap: .queue))
    }
    #expect(overlap?.message == "a dynamic schedule cannot say overlap: that is for its job to say")
    await scheduler.stop()
  }
}
