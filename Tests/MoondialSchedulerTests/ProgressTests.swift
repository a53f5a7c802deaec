import Foundation
import MoondialScheduler
import Testing

@Suite("What scripts say of themselves, in Swift", .timeLimit(.minutes(1)))
struct ProgressTests {
  @Test("a run's progress is an event, and what scripts count and measure is there until the end")
  func told() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: directory.appendingPathComponent("scripts"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try """
    job "works" { run = function(ctx)
      ctx:progress(0.25)
      metric.counter("rows_total", 3, { shop = "north" })
      metric.counter("rows_total", 4, { shop = "north" })
      metric.gauge("queue", -1.5)
      ctx:progress("half of it")
    end }
    """.write(
      to: directory.appendingPathComponent("scripts/a.lua"), atomically: true, encoding: .utf8)
    var configuration = Configuration()
    configuration.log = .none
    configuration.scripts = Configuration.Scripts(directory.appendingPathComponent("scripts").path)
    let scheduler = Scheduler(configuration)
    #expect(scheduler.metrics().isEmpty)
    let (notes, half, done) = (Notes(), Signal(), Signal())
    scheduler.onEvent { event in
      switch event {
      case .runProgress(_, let job, let text, let fraction):
        notes.add("\(job): \(text), \(fraction.map { "\($0)" } ?? "no number")")
        if text == "half of it" { half.fire() }
      case .runFinished: done.fire()
      default: break
      }
    }
    try await scheduler.start()
    try await scheduler.runNow("works")
    await done.wait()
    await half.wait()
    // The latest word is told in any case; those that follow each other too fast need not be.
    #expect(notes.all == ["works: 25 %, 0.25", "works: half of it, no number"])
    let metrics = scheduler.metrics()
    #expect(metrics.map(\.name) == ["queue", "rows_total"])
    #expect(metrics.map(\.value) == [-1.5, 7] && metrics.map(\.kind) == [.gauge, .counter])
    #expect(metrics.map(\.labels) == ["", "shop=\"north\""] && metrics.allSatisfy { $0.script == "a.lua" })
    await scheduler.stop()
    #expect(scheduler.metrics().isEmpty)
  }
}
