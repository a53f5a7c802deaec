import Basics
import Chronology
import Hosting
import JobModel
import Synchronization
import Testing

@testable import HostAPI

@Suite("Long answers", .timeLimit(.minutes(1)))
struct LongAnswerTests {
  @Test("a page that is written in parts is the same text", arguments: [0, 1, 31, 32, 33, 100])
  func parts(count: Int) async throws {
    let time = HostTime(Instant(seconds: 1_767_225_600), in: .utc)
    let items = (0..<count).map { RunAnswer(id: Int64($0), job: "a \"b\"", cause: .schedule, scheduledAt: time) }
    for next in [nil, PageCursor("17")] {
      let page = Page(items, next: next)
      #expect(try await page.json() == AnswerEncoder.json(page))
    }
  }

  /// Holds those who came in until they may go.
  private final class Door: Sendable {
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])
    let came = Monitor<[Int]>([])

    func stay(_ number: Int) async {
      await withCheckedContinuation { continuation in
        waiting.withLock { $0.append(continuation) }
        came.change { $0.append(number) }
      }
    }
    func letGo() { waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() }?.resume() }
    func await(_ count: Int) -> [Int] { came.wait { $0.count == count ? $0 : nil } ?? [] }
  }

  @Test("some are made at a time, the others in their order; one that is cancelled while it waits is not made")
  func gate() async throws {
    let gate = AnswerGate(most: 2)
    let door = Door()
    func client(_ number: Int) -> Task<Bool, Never> {
      Task {
        do {
          try await gate.pass { await door.stay(number) }
          return true
        } catch { return false }
      }
    }
    let first = [client(0), client(1)]
    #expect(await Task.detached { door.await(2) }.value.sorted() == [0, 1])
    let gone = client(2)
    gone.cancel()
    #expect(await gone.value == false)
    let late = client(3)
    door.letGo()
    #expect(await Task.detached { door.await(3) }.value.last == 3)
    door.letGo()
    door.letGo()
    for task in first + [late] { #expect(await task.value) }
    // All is as it was.
    let again = [client(4), client(5)]
    #expect(await Task.detached { door.await(5) }.value.suffix(2).sorted() == [4, 5])
    door.letGo()
    door.letGo()
    for task in again { #expect(await task.value) }
  }
}
