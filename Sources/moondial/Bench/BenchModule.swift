import Glibc
import Lua
import Synchronization

/// What the jobs of a measurement call: the host module `bench`, which no other command gives to scripts.
///
/// - `bench.record(number)` writes down that the job with this number has begun.
/// - `bench.enter()` and `bench.leave()` count the jobs between them.
/// - `bench.first()` prints the line of the measure `cold`.
enum BenchModule {
  static func recording(_ recorder: FireRecorder) -> LuaModule {
    LuaModule(
      "bench",
      functions: [
        LuaFunction("record", in: .run) { call in
          recorder.record(call.integer(1) ?? -1, at: BenchClock.wall)
          return .none
        }
      ])
  }

  static func counting(_ presence: PresenceCounter) -> LuaModule {
    LuaModule(
      "bench",
      functions: [
        LuaFunction("enter", in: .run) { _ in
          presence.enter()
          return .none
        },
        LuaFunction("leave", in: .run) { _ in
          presence.leave()
          return .none
        },
      ])
  }

  static func announcing() -> LuaModule {
    LuaModule(
      "bench",
      functions: [
        LuaFunction("first", in: .run) { _ in
          var line = JSONObject()
          line.set("first_ns", BenchClock.wall)
          line.set("pid", getpid())
          Terminal.json(line.json)
          return .none
        }
      ])
  }
}

/// When which job began: triples (job, 0, wall clock nanoseconds) in one block of memory.
///
/// Workers reserve a triple by one atomic addition. The block is as large as the whole measurement may need, and takes
/// memory as it is written.
@safe final class FireRecorder: @unchecked Sendable {
  // `@unchecked`, `@safe`: each triple is written by the one thread that reserved it, and read by `write` when the
  // workers have ended; the pointer is allocated here and freed in deinit.
  private let block: UnsafeMutablePointer<Int64>
  private let capacity: Int
  private let reserved = Atomic<Int>(0)

  /// - Parameter capacity: triples; more are counted and not kept.
  init(capacity: Int) {
    self.capacity = capacity
    unsafe block = .allocate(capacity: 3 * capacity)
  }

  deinit { unsafe block.deallocate() }

  /// Triples that found no room.
  var dropped: Int { max(0, reserved.load(ordering: .acquiring) - capacity) }

  @inline(__always)
  func record(_ job: Int64, at instant: Int64) {
    let index = reserved.wrappingAdd(1, ordering: .relaxed).oldValue
    guard index < capacity else { return }
    // Safe: `index` is below the capacity, and this thread's alone.
    unsafe block[3 * index] = job
    unsafe block[3 * index + 1] = 0
    unsafe block[3 * index + 2] = instant
  }

  /// Each job that began, with the instant, in no order of jobs. When the workers have ended.
  func forEach(_ body: (_ job: Int64, _ instant: Int64) -> Void) {
    for index in 0..<min(capacity, reserved.load(ordering: .acquiring)) {
      // Safe: `index` is below the capacity, and was written by a worker that has ended.
      unsafe body(block[3 * index], block[3 * index + 2])
    }
  }

  /// Writes the triples, little-endian.
  func write(to path: String) throws {
    let count = min(capacity, reserved.load(ordering: .acquiring))
    // Safe: a C string of Swift's own, for the length of the call.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw CommandFailure("cannot write \(path): error \(errno)") }
    defer { close(descriptor) }
    var written = 0
    let size = 24 * count
    while written < size {
      // Safe: the range lies within the block.
      let bytes = unsafe Glibc.write(descriptor, UnsafeRawPointer(block) + written, size - written)
      guard bytes > 0 else { throw CommandFailure("cannot write \(path): error \(errno)") }
      written += bytes
    }
  }
}

/// How many jobs are inside something at once. Any thread.
final class PresenceCounter: Sendable {
  private let present = Atomic<Int>(0)
  private let most = Atomic<Int>(0)
  private let last = Atomic<Int64>(0)

  var peak: Int { most.load(ordering: .acquiring) }
  /// Wall clock nanoseconds of the latest `enter`.
  var lastEntry: Int64 { last.load(ordering: .acquiring) }

  func enter() {
    let count = present.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
    _ = most.max(count, ordering: .acquiringAndReleasing)
    _ = last.max(BenchClock.wall, ordering: .acquiringAndReleasing)
  }

  func leave() { present.wrappingSubtract(1, ordering: .acquiringAndReleasing) }
}
