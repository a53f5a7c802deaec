import Hosting
import Testing

@Suite("A journal tells what happened, with positions", .timeLimit(.minutes(5)))
struct JournalTests {
  private func journal(_ capacity: Int = 10, bytes: Int = .max) -> Journal<Int> {
    Journal(HostIdentity("a"), capacity: capacity, bytes: bytes, weigh: { $0 })
  }

  private func contents(_ page: JournalPage<Int>?) -> [Int] { page?.entries.map(\.content) ?? [] }

  @Test("a reader gets what happens after it came, in order, each once")
  func reads() async {
    let journal = journal()
    journal.append(1)
    let reader = journal.reader()
    journal.append([2, 3])
    #expect(contents(await reader.next(limit: 1)) == [2])
    #expect(contents(await reader.next()) == [3])
    journal.append(4)
    #expect(contents(await reader.next()) == [4])
  }

  @Test("a reader that waits is woken by the next entry")
  func wakes() async {
    let journal = journal()
    let reader = journal.reader()
    let position = reader.position
    async let page = reader.next()
    journal.append(7)
    #expect(contents(await page) == [7])
    #expect(reader.position.number == position.number + 1)
  }

  @Test("many readers that wait are woken by one entry, and each again by the next")
  func wakesAll() async {
    let journal = journal()
    let readers = (0..<20).map { _ in journal.reader() }
    let sums = await withTaskGroup(of: Int.self) { group in
      for reader in readers {
        group.addTask {
          var sum = 0
          while sum < 300 { sum += await reader.next()?.entries.reduce(0) { $0 + $1.content } ?? 300 }
          return sum
        }
      }
      for content in [100, 50, 150] {
        journal.append(content)
        await Task.yield()
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(sums == Array(repeating: 300, count: 20))
  }

  @Test("a reader that was away goes on from its position")
  func resumes() {
    let journal = journal()
    let first = journal.reader()
    journal.append([1, 2, 3])
    let page = journal.read(after: first.position, limit: 2)
    #expect(contents(page) == [1, 2])
    let again = journal.read(after: JournalPosition(page.next.description)!)
    #expect(contents(again) == [3])
    #expect(again.gap == nil)
  }

  @Test("who was away for too long is told that something is missing, by number and by bytes")
  func overwritten() {
    for journal in [journal(3), journal(100, bytes: 30)] {
      let reader = journal.reader()
      let position = reader.position
      journal.append([8, 9, 10, 10, 10])
      let page = journal.read(after: position)
      #expect(contents(page) == [10, 10, 10])
      #expect(page.gap == .overwritten)
      #expect(journal.read(after: page.next).gap == nil)
    }
  }

  @Test("a position of another life of the host is one too, and so is one that was never reached")
  func otherHost() {
    let journal = journal()
    let reader = journal.reader()
    journal.append(5)
    for position in [
      JournalPosition(host: HostIdentity("b"), number: 1), JournalPosition(host: HostIdentity("a"), number: 99),
    ] {
      let page = journal.read(after: position)
      #expect(page.gap == .otherHost)
      #expect(contents(page) == [5])
    }
    withExtendedLifetime(reader) {}
  }

  @Test("what was left out while nobody read is told to who comes back, and not to who comes new")
  func unread() {
    let journal = journal()
    let position = journal.reader().position
    #expect(journal.isRecording)
    #expect(journal.readers == 0)
    #expect(!journal.isIdle(at: 0))
    #expect(journal.isIdle(at: .max))
    #expect(journal.leaveOut())
    #expect(!journal.isRecording)
    journal.appendIfRead(1)
    let new = journal.reader()
    journal.append(2)
    #expect(contents(journal.read(after: new.position)) == [2])
    #expect(journal.read(after: new.position).gap == nil)
    #expect(journal.read(after: position).gap == .unread)
    #expect(!journal.leaveOut())
  }

  @Test("who waits is let go by a cancel and by the end of the host")
  func ends() async {
    let journal = journal()
    let cancelled = Task { [reader = journal.reader()] in await reader.next() }
    let stopped = Task { [reader = journal.reader()] in await reader.next() }
    cancelled.cancel()
    #expect(await cancelled.value?.entries.count == nil)
    journal.stop()
    #expect(await stopped.value?.entries.count == nil)
    #expect(await journal.reader().next()?.entries.count == nil)
  }

  @Test(
    "positions are read as they are written, and nothing else is one", arguments: ["", "-1", "a", "a-", "a-x"])
  func positions(text: String) {
    #expect(JournalPosition(text) == nil)
    #expect(JournalPosition("a-b-7") == JournalPosition(host: HostIdentity("a-b"), number: 7))
  }

  @Test("an entry is rendered once for all its readers")
  func renders() {
    let journal = journal()
    let reader = journal.reader()
    journal.append(5)
    let entry = journal.read(after: reader.position).entries[0]
    #expect(entry.rendered { "\($0.content)" } == "5")
    #expect(entry.rendered { _ in "again" } == "5")
  }
}
