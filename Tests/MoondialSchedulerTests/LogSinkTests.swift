import Chronology
import FileWatching
import HostModules
import Hosting
import JobModel
import MemoryStore
import ScriptLoading
import ScriptRuntime
import Synchronization
import TestSupport
import Testing

@Suite("Log lines of runs")
struct LogSinkTests {
  /// A log that nobody reads.
  private final class Silence: HostLog {
    var now: Instant { .epoch }
    var threshold: LogLevel { .error }
    func write(_ line: LogLine) {}
  }

  @Test("they are kept in the store that has their run; a store that is not there is the first one")
  func stores() throws {
    let (first, second) = (MemoryStore(), MemoryStore())
    let sink = HostLogSink(Silence())
    sink.use(stores: NamedStores([("default", first), ("fast", second)]))
    for (number, store) in [(1, "default"), (2, "fast"), (3, "gone")] as [(Int64, String)] {
      sink.write(LogLine(run: RunID(number), job: "a", store: store, level: .info, message: store, at: .epoch))
    }
    #expect(try (1...3).map { try first.log(of: RunID($0), limit: 9).map(\.message) } == [["default"], [], ["gone"]])
    #expect(try (1...3).map { try second.log(of: RunID($0), limit: 9).map(\.message) } == [[], ["fast"], []])
  }

  @Test(
    "the reason of an orphan is asked for no deeper in the stack after ten thousand of them: nothing is piled on it",
    .disabled(if: isUnderSanitizer))
  func orphans() {
    let renderer = EventRenderer(Silence())
    let depths = Mutex<[UInt]>([])
    renderer.useReasons { job in
      var here = 0
      // Safe: only the address is taken, and nothing is read there.
      let address = unsafe withUnsafeMutablePointer(to: &here) { UInt(bitPattern: $0) }
      depths.withLock { $0.append(address) }
      return "\(job) is gone"
    }
    for _ in 0..<10_000 { renderer.render(.jobOrphaned("a")) }
    let all = depths.withLock { $0 }
    #expect(all.count == 10_000 && Set(all).count == 1)
  }
}
