internal import Basics
package import JobModel

/// One thread that answers questions to a store, one after the other, because those who ask (workers of scripts) must
/// not wait for a disk or a server. It starts with the first question.
///
/// Threading: any thread; never blocks but in `close`.
package final class QuestionThread: Sendable {
  private struct State {
    var waiting: [@Sendable () -> Void] = []
    var thread: StoreThread?
    var isClosing = false
    /// The system has refused the thread, and not given one since.
    var isRefused = false
  }

  private let state = Monitor(State())
  private let store: String
  /// Told when the system refuses the thread, and (nil) when it gives one again.
  private let refused: (@Sendable (StoreError?) -> Void)?

  /// - Parameter store: its name, for messages.
  package init(store: String, refused: (@Sendable (StoreError?) -> Void)?) {
    self.store = store
    self.refused = refused
  }

  /// Has `question` run on the thread; `completion` is called once with its answer, on that thread, or here with why it
  /// was not asked.
  package func ask<Answer: Sendable>(
    _ completion: @escaping @Sendable (Result<Answer, StoreError>) -> Void,
    _ question: @escaping @Sendable () throws(StoreError) -> Answer
  ) {
    let (refusal, isNews) = state.change { [shared = state, store] state -> (StoreError?, isNews: Bool) in
      guard !state.isClosing else { return (.closed(store), false) }
      let wasRefused = state.isRefused
      if state.thread == nil {
        do throws(StoreError) {
          state.thread = try StoreThread(name: "store-kv") { Self.run(shared) }
          state.isRefused = false
        } catch {
          state.isRefused = true
          return (error, !wasRefused)
        }
      }
      state.waiting.append {
        do throws(StoreError) {
          completion(.success(try question()))
        } catch {
          completion(.failure(error))
        }
      }
      return (nil, wasRefused)
    }
    if isNews { refused?(refusal) }
    if let refusal { completion(.failure(refusal)) }
  }

  /// Answers what is waiting, then ends the thread.
  package func close() {
    let thread = state.change { state in
      state.isClosing = true
      return state.thread
    }
    thread?.join()
  }

  private static func run(_ state: Monitor<State>) {
    while true {
      let questions = state.wait { state -> [@Sendable () -> Void]? in
        guard !state.waiting.isEmpty || state.isClosing else { return nil }
        defer { state.waiting.removeAll() }
        return state.waiting
      }!
      if questions.isEmpty { return }
      for question in questions { question() }
    }
  }
}
