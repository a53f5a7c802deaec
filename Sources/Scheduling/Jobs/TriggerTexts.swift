import Triggers

/// The texts of triggers for the length of one evaluation: jobs that share a trigger share its text, and it is written
/// once.
///
/// A reload or restart of 100,000 jobs asks for it twice or three times a job, at some 400 ns each.
struct TriggerTexts: Sendable {
  /// Each different trigger beyond this many is written when it is asked for.
  private static let limit = 4_096

  /// By the identity of the trigger's object, which an entry keeps alive.
  private var written: [ObjectIdentifier: (trigger: AnyTrigger, text: String)] = [:]

  mutating func text(of trigger: AnyTrigger?) -> String? {
    guard let trigger else { return nil }
    let identity = trigger.identity
    if let known = written[identity] { return known.text }
    let text = trigger.text
    if written.count < Self.limit { written[identity] = (trigger, text) }
    return text
  }

  mutating func removeAll() {
    if !written.isEmpty { written = [:] }
  }
}
