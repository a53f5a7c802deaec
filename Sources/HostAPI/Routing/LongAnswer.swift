internal import Hosting

/// An answer that may be long: its text is made in parts, and between them the thread that makes all answers does
/// something else.
protocol LongAnswer: Encodable, Sendable {
  /// What ``AnswerEncoder`` makes of it. Throws when the task is cancelled.
  func json() async throws -> String
}

extension LongAnswer {
  func json() async throws -> String { try AnswerEncoder.json(self) }
}

extension Page: LongAnswer {
  func json() async throws -> String {
    var text = "{\"items\":["
    for (index, item) in items.enumerated() {
      if index > 0 { text += "," }
      text += try AnswerEncoder.json(item)
      guard index % 32 == 31 else { continue }
      await Task.yield()
      try Task.checkCancellation()
    }
    text += "]"
    if let next { text += ",\"next\":" + AnswerEncoder.quoted(next.text) }
    return text + "}"
  }
}

extension ExplainAnswer: LongAnswer {}
extension LogAnswer: LongAnswer {}
extension ScriptsAnswer: LongAnswer {}
extension UpcomingAnswer: LongAnswer {}
