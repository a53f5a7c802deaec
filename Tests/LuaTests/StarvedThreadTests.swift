import Glibc
import Lua
import Synchronization
import TestSupport
import Testing

/// Runs whose thread has no processor when their time is over: a machine with more to do than it can.
@Suite("Threads without a processor")
struct StarvedThreadTests {
  /// A thread that may run only when nobody else on its processor wants to, and one that wants to until it is told.
  private final class Contest: Sendable {
    /// SCHED_IDLE of linux/sched.h.
    private static let idle: Int32 = 5
    private let processor = Atomic(-1)
    private let isOver = Atomic(false)
    let hasBegun = Gate()

    /// The calling thread loses from here on.
    func lose() {
      let number = Self.call("sched_getcpu", GetProcessor.self)()
      processor.store(Int(number), ordering: .relaxed)
      Self.stay(on: Int(number))
      var parameters = sched_param(sched_priority: 0)
      // Safe: the call reads the local struct.
      #expect(unsafe sched_setscheduler(0, Self.idle, &parameters) == 0)
      hasBegun.open()
    }

    /// The calling thread takes the processor until the contest is over.
    func win() {
      hasBegun.wait()
      Self.stay(on: processor.load(ordering: .relaxed))
      while !isOver.load(ordering: .relaxed) {}
    }

    func end() { isOver.store(true, ordering: .relaxed) }

    private static func stay(on processor: Int) {
      guard processor >= 0 else { return }
      var set = [UInt8](repeating: 0, count: 1_024)
      set[processor / 8] = 1 << UInt8(processor % 8)
      // Safe: the call reads the array, whose size it is told.
      #expect(unsafe call("sched_setaffinity", SetAffinity.self)(0, set.count, set) == 0)
    }

    private typealias GetProcessor = @convention(c) () -> Int32
    private typealias SetAffinity = @convention(c) (pid_t, Int, UnsafePointer<UInt8>) -> Int32

    /// A function of the C library that its Swift module leaves out.
    private static func call<Function>(_ name: String, _: Function.Type) -> Function {
      // Safe: the callers give the type that the C library declares; it has had both functions for twenty years.
      unsafe unsafeBitCast(dlsym(nil, name)!, to: Function.self)
    }
  }

  @Test("a loop is stopped at its line by the hook, and not torn out of what it does")
  func line() throws {
    for _ in 0..<3 {
      let contest = Contest()
      let stop = Mutex<LuaStop?>(nil)
      Threads.run(2) { thread in
        if thread == 1 { return contest.win() }
        defer { contest.end() }
        let runtime = Fixture.make(modules: [
          LuaModule(
            "",
            functions: [
              LuaFunction("starve") { _ in
                contest.lose()
                return .results(0)
              }
            ])
        ])
        do { _ = try Fixture.run("starve()\nwhile true do end", in: runtime, timeout: 20_000_000) } catch {
          stop.withLock { $0 = (error as? Fixture.Stopped)?.stop }
        }
        // Without a run there is nobody to wait for.
        contest.hasBegun.open()
      }
      let found = try #require(stop.withLock { $0 })
      #expect(found.reason == .deadline && !found.forced)
      // On a machine that is full anyway the thread may lose its processor before it is back from the call.
      #expect(found.location.map { (2...3).contains($0.line) } == true, "\(found)")
    }
  }
}
