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
}
