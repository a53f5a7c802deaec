internal import HTTPTypes
internal import Hosting
internal import Synchronization

/// The JSON of jobs that were listed before: who asks for the list again and again, as dashboards do, mostly gets what
/// it got, and an answer that is equal has the same text.
///
/// Threading: any thread.
final class JobTexts: Sendable {
  private struct Entry: Sendable {
    let answer: JobAnswer
    let text: String
    /// Of the text, keyed anew in each life of the host.
    let hash: Int
  }
  private struct State: Sendable {
    var entries: [String: Entry] = [:]
    var bytes = 0
  }
  /// Bytes of texts that are kept; beyond, it begins anew.
  private static let most = 4 << 20

  private let state = Mutex(State())

  /// A page as ``AnswerEncoder`` writes it, with the tag of its text. Throws when the task is cancelled.
  func reply(_ page: Page<JobAnswer>) async throws -> Reply {
    var entries = state.withLock { state in page.items.map { state.entries[$0.name] } }
    var made = 0
    for (index, item) in page.items.enumerated() where entries[index].map({ $0.answer != item }) ?? true {
      let text = try AnswerEncoder.json(item)
      entries[index] = Entry(answer: item, text: text, hash: text.hashValue)
      made += 1
      guard made.isMultiple(of: 32) else { continue }
      // Between its parts the thread that makes all answers does something else.
      await Task.yield()
      try Task.checkCancellation()
    }
    let texts = entries.compactMap(\.self)
    if made > 0 { keep(texts) }
    let next = page.next.map { ",\"next\":" + AnswerEncoder.quoted($0.text) } ?? ""
    var reply = Reply(.ok, .text(Self.join(texts, next), type: "application/json"))
    reply.entityTag = Self.tag(texts, next)
    return reply
  }

  private func keep(_ texts: [Entry]) {
    let bytes = texts.reduce(0) { $0 + $1.text.utf8.count }
    guard bytes <= Self.most else { return }
    state.withLock { state in
      if state.bytes + bytes > Self.most { state = State() }
      for entry in texts {
        let former = state.entries.updateValue(entry, forKey: entry.answer.name)
        state.bytes += entry.text.utf8.count - (former?.text.utf8.count ?? 0)
      }
    }
  }

  private static func join(_ texts: [Entry], _ next: String) -> String {
    var text = ""
    text.reserveCapacity(texts.reduce(16 + next.utf8.count) { $0 + $1.text.utf8.count + 1 })
    text += "{\"items\":["
    for (index, entry) in texts.enumerated() {
      if index > 0 { text += "," }
      text += entry.text
    }
    text += "]"
    text += next
    text += "}"
    return text
  }

  private static func tag(_ texts: [Entry], _ next: String) -> String {
    var hasher = Hasher()
    for entry in texts { hasher.combine(entry.hash) }
    hasher.combine(next)
    return String(UInt(bitPattern: hasher.finalize()), radix: 16)
  }
}
