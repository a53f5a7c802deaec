package import JobModel

extension DecisionRange {
  /// This range with `next` appended, so that one row says both. Legal when `isContinued(by: next)`.
  package func extended(by next: DecisionRange) -> DecisionRange {
    var whole = self
    whole.last = next.last
    whole.count = count + next.count
    whole.isAtLeast = isAtLeast || next.isAtLeast
    whole.decidedAt = max(decidedAt, next.decidedAt)
    return whole
  }

  /// Whether this range already says everything that `other` says: the mark of a batch that is applied a second time.
  package func covers(_ other: DecisionRange) -> Bool {
    job == other.job && schedule == other.schedule && kind == other.kind && reason == other.reason && clockEpoch == other.clockEpoch
      && run == other.run && first <= other.first && last >= other.last
  }
}
