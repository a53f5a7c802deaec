import Synchronization
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

/// Notes who was called.
private final class Calls: Sendable {
  private let names = Mutex<[String]>([])
  var all: [String] { names.withLock { $0 } }
  func note(_ name: String) -> @Sendable () -> Void { { self.names.withLock { $0.append(name) } } }
}

/// A ledger, and who was called.
private final class Book {
  private var ledger: AnswerLedger
  private let called = Calls()

  init(_ limit: Int = 1_000_000) { ledger = AnswerLedger(limit: limit) }

  var calls: [String] { called.all }
  var total: Int { ledger.total }
  var peak: Int { ledger.peak }
  var count: Int { ledger.count }
  func reserved(by run: UInt64) -> Int { ledger.reserved(by: run) }
  func isShort(_ run: UInt64) -> Bool { ledger.isShort(run) }

  func open(script: String = "a", limit: Int, used: Int = 0) -> UInt64 {
    ledger.open(script: script, limit: limit, used: used)
  }
  func room() -> UInt64 { ledger.room() }
  func ask(_ run: UInt64, _ room: UInt64, _ bytes: Int, _ name: String) -> AnswerLedger.Verdict {
    let (verdict, effects) = ledger.ask(
      run, room, bytes: bytes, wake: called.note("wake \(run)"), granted: called.note(name))
    call(effects)
    return verdict
  }
  func note(_ run: UInt64, used: Int) { call(ledger.note(run, used: used)) }
  func release(_ run: UInt64, _ room: UInt64) { call(ledger.release(run, room)) }
  func detach(_ run: UInt64, _ room: UInt64) { call(ledger.detach(run, room)) }
  func close(_ run: UInt64) { call(ledger.close(run)) }

  private func call(_ effects: AnswerLedger.Effects) { for call in effects.calls { call() } }
}

@Suite struct AnswerLedgerTests {
  @Test("answers together have half of what is free, one alone all of it, and the others wait in order")
  func half() {
    let book = Book()
    let run = book.open(script: "a", limit: 1_000, used: 200)
    let rooms = (0..<5).map { _ in book.room() }
    #expect(book.ask(run, rooms[0], 300, "0") == .granted)
    #expect(book.ask(run, rooms[1], 100, "1") == .granted)
    #expect(book.ask(run, rooms[2], 1, "2") == .waiting)
    #expect(book.ask(run, rooms[3], 1, "3") == .waiting)
    #expect(book.reserved(by: run) == 400)
    book.release(run, rooms[0])
    #expect(book.calls == ["2", "3"])
    book.release(run, rooms[1])
    book.release(run, rooms[2])
    book.release(run, rooms[3])
    #expect(book.ask(run, rooms[4], 800, "4") == .granted)
    #expect(book.total == 800)
  }

  @Test("what can never fit makes the run short, once, until its state has become smaller")
  func short() {
    let book = Book()
    let run = book.open(script: "a", limit: 1_000, used: 900)
    let room = book.room()
    #expect(book.ask(run, room, 200, "late") == .waiting)
    #expect(book.calls == ["wake \(run)"])
    #expect(book.isShort(run))
    book.note(run, used: 850)
    #expect(book.isShort(run))
    #expect(book.calls == ["wake \(run)"])
    book.note(run, used: 700)
    #expect(!book.isShort(run))
    #expect(book.calls == ["wake \(run)", "late"])
    #expect(book.reserved(by: run) == 200)
  }

  @Test("a request that is given up makes its run short no more, and those behind it go on")
  func givenUp() {
    let book = Book()
    let run = book.open(script: "a", limit: 1_000, used: 900)
    let (large, small) = (book.room(), book.room())
    #expect(book.ask(run, large, 200, "large") == .waiting)
    #expect(book.ask(run, small, 50, "small") == .waiting)
    book.release(run, large)
    #expect(!book.isShort(run))
    #expect(book.calls == ["wake \(run)", "small"])
  }

  @Test("rooms that grow do not wait for each other for ever: the oldest goes on, and the run is short if it cannot")
  func growing() {
    let book = Book()
    let run = book.open(script: "a", limit: 1_000, used: 0)
    let (first, second) = (book.room(), book.room())
    #expect(book.ask(run, second, 250, "2") == .granted)
    #expect(book.ask(run, first, 250, "1") == .granted)
    #expect(book.ask(run, second, 100, "2 more") == .waiting)
    #expect(book.calls == [])
    // Now both wait: the older one is served although it asked later.
    #expect(book.ask(run, first, 100, "1 more") == .waiting)
    #expect(book.calls == ["1 more"])
    #expect(book.ask(run, first, 401, "1 too much") == .waiting)
    #expect(book.isShort(run))
  }

  @Test("beyond the memory of all runs wait in the order in which they came")
  func order() {
    let book = Book(1_000)
    let runs = (0..<4).map { book.open(script: "script \($0)", limit: 2_000, used: 0) }
    let rooms = runs.map { _ in book.room() }
    #expect(book.ask(runs[0], rooms[0], 700, "0") == .granted)
    #expect(book.ask(runs[1], rooms[1], 400, "1") == .waiting)
    #expect(book.ask(runs[2], rooms[2], 100, "2") == .waiting)
    #expect(book.ask(runs[3], rooms[3], 600, "3") == .waiting)
    book.release(runs[0], rooms[0])
    #expect(book.calls == ["1", "2"])
    book.close(runs[1])
    #expect(book.total == 500)
    book.release(runs[1], rooms[1])
    #expect(book.calls == ["1", "2", "3"])
    #expect(book.peak == 700)
  }

  @Test("the runs of one script have a quarter together, and do not keep others waiting")
  func share() {
    let book = Book(1_000)
    let greedy = (0..<2).map { _ in book.open(script: "greedy", limit: 2_000, used: 0) }
    let other = book.open(script: "other", limit: 2_000, used: 0)
    let rooms = (0..<3).map { _ in book.room() }
    #expect(book.ask(greedy[0], rooms[0], 200, "0") == .granted)
    #expect(book.ask(greedy[1], rooms[1], 100, "1") == .waiting)
    #expect(book.ask(other, rooms[2], 100, "2") == .waiting)
    #expect(book.calls == ["2"])
    book.release(greedy[0], rooms[0])
    #expect(book.calls == ["2", "1"])
  }

  @Test("growing answers of several runs do not wait for each other for ever: one run at a time may go beyond")
  func favoured() {
    let book = Book(1_000)
    let runs = (0..<2).map { book.open(script: "script \($0)", limit: 2_000, used: 0) }
    let rooms = runs.map { _ in book.room() }
    #expect(book.ask(runs[0], rooms[0], 250, "0") == .granted)
    #expect(book.ask(runs[1], rooms[1], 250, "1") == .granted)
    #expect(book.ask(runs[0], rooms[0], 900, "0 more") == .waiting)
    #expect(book.calls == ["0 more"])
    #expect(book.ask(runs[1], rooms[1], 900, "1 more") == .waiting)
    #expect(book.total == 1_400)
    book.release(runs[0], rooms[0])
    #expect(book.calls == ["0 more", "1 more"])
  }

  @Test("what is detached counts for all and not for its run; a run that is over is forgotten with its last room")
  func detach() {
    let book = Book()
    let run = book.open(script: "a", limit: 1_000, used: 0)
    let (kept, waiting) = (book.room(), book.room())
    #expect(book.ask(run, kept, 900, "kept") == .granted)
    #expect(book.ask(run, waiting, 900, "waiting") == .waiting)
    book.detach(run, kept)
    #expect(book.calls == ["waiting"])
    #expect(book.reserved(by: run) == 900)
    book.close(run)
    book.release(run, waiting)
    #expect(book.total == 900)
    #expect(book.count == 1)
    book.release(run, kept)
    #expect(book.total == 0)
    #expect(book.count == 0)
    #expect(book.ask(run, waiting, 1, "over") == .denied)
  }
}
