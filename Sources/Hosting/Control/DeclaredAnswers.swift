internal import JobModel
internal import Synchronization

/// What answers say of jobs as they are declared, made once for each definition: its trigger in words and in Lua took
/// most of the time of a page of a list.
///
/// An entry is as good as its definition, which is asked for each time; it holds that, so entries go when jobs come or
/// go. Threading: any thread.
final class DeclaredAnswers: Sendable {
  private struct Entry: Sendable {
    let definition: JobDefinition
    let answer: JobAnswer
  }
  /// Beyond so many, it begins anew: who lists all of 100,000 jobs once leaves little behind.
  private static let most = 10_000

  private let known = Mutex<[String: Entry]>([:])
  private let isStale = Atomic(false)

  /// Jobs have come or gone: the next question begins anew. Never blocks, as it is called on the scheduler's thread.
  func changed() { isStale.store(true, ordering: .relaxed) }

  func answer(_ definition: JobDefinition) -> JobAnswer {
    if isStale.load(ordering: .relaxed), isStale.exchange(false, ordering: .relaxed) { known.withLock { $0 = [:] } }
    let entry = known.withLock { $0[definition.name] }
    if let entry, entry.definition.isSame(as: definition) { return entry.answer }
    let answer = JobAnswer(definition)
    known.withLock { known in
      if known.count >= Self.most { known = [:] }
      known[definition.name] = Entry(definition: definition, answer: answer)
    }
    return answer
  }
}
