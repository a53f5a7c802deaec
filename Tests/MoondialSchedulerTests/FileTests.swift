import Foundation
import MoondialScheduler
import MoondialTesting
import Testing

@Suite("Swift jobs that watch for files", .timeLimit(.minutes(1)))
struct FileTests {
  /// A directory of its own, gone with the test.
  private final class Place {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)").path
    init() throws { try FileManager.default.createDirectory(atPath: path + "/in", withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func write(_ names: String...) throws {
      for name in names { try name.write(toFile: "\(path)/in/\(name)", atomically: true, encoding: .utf8) }
    }
  }

  private let given = Notes()
  private let ran = Signal()

  private func scheduler(_ place: Place, _ watch: JobOptions.Watch) async throws -> Scheduler {
    let scheduler = quietScheduler { $0.stores["default"] = .sqlite(place.path + "/jobs.db") }
    try await add(to: scheduler, watch)
    return scheduler
  }

  private func add(to scheduler: Scheduler, _ watch: JobOptions.Watch) async throws {
    try await scheduler.add("take", nil, JobOptions(watch: watch)) { [given, ran] run in
      for file in run.files {
        given.add(URL(fileURLWithPath: file).lastPathComponent)
        ran.fire()
      }
    }
  }

  @Test("complete files are given in batches, and each once, over restarts too")
  func overRestarts() async throws {
    let place = try Place()
    let watch = JobOptions.Watch("\(place.path)/in/*.csv", settle: .milliseconds(20))
    try place.write("a.csv", "b.csv", "c.txt")
    let first = try await scheduler(place, watch)
    try await first.start()
    await ran.wait(2)
    try place.write("d.csv")
    await ran.wait(1)
    await first.stop()
    #expect(given.all.sorted() == ["a.csv", "b.csv", "d.csv"])
    // What comes while nobody looks is given to the next scheduler, and nothing else is.
    try place.write("e.csv")
    let second = try await scheduler(place, watch)
    try await second.start()
    await ran.wait(1)
    await second.stop()
    #expect(given.all.sorted() == ["a.csv", "b.csv", "d.csv", "e.csv"])
  }

  @Test("a job that is added while the scheduler runs watches from then on; one that is removed does not")
  func whileRunning() async throws {
    let place = try Place()
    let scheduler = quietScheduler()
    try await scheduler.start()
    try place.write("a.csv")
    try await add(to: scheduler, .init("\(place.path)/in/*.csv", settle: .zero))
    await ran.wait(1)
    try await scheduler.remove("take")
    try place.write("b.csv")
    // Another job on the same directory: what it is given, the removed one would have been given as well.
    let other = Signal()
    try await scheduler.add("other", nil, JobOptions(watch: .init("\(place.path)/in/b.csv", settle: .zero))) { _ in
      other.fire()
    }
    await other.wait()
    await scheduler.stop()
    #expect(given.all == ["a.csv"])
  }

  @Test("a relative pattern begins where the program stands")
  func relative() async throws {
    let scheduler = quietScheduler()
    try await scheduler.add("take", nil, JobOptions(watch: .init("no/such/directory/*.csv"))) { _ in }
    let notices = Notes()
    let seen = Signal()
    try scheduler.configure {
      $0.log = .custom(.info) { line in
        if line.message.contains("is not there") {
          notices.add(line.message)
          seen.fire()
        }
      }
    }
    try await scheduler.start()
    await seen.wait()
    await scheduler.stop()
    #expect(
      notices.all[0].contains("\(FileManager.default.currentDirectoryPath)/no/such/directory is not there"),
      "\(notices.all)")
  }

  @Test("a mistake in a pattern is a sentence; a clock moved by hand has no files")
  func refused() async throws {
    let wrong = await #expect(throws: SchedulerError.self) {
      try await quietScheduler().add("take", nil, JobOptions(watch: .init("/srv/in/"))) { _ in }
    }
    #expect(
      wrong?.message == #"job "take": watch "/srv/in/": it names a directory; write /srv/in/* for the files in it"#)
    let manual = await #expect(throws: SchedulerError.self) {
      try await Scheduler(clock: ManualClock()).add("take", nil, JobOptions(watch: .init("/srv/in/*"))) { _ in }
    }
    #expect(manual?.message.contains("manual clock") == true)
  }
}
