/// How much one question may cost, shared by all searches nested in it: combinations of combinations must not multiply.
package struct SearchBudget {
  /// Questions to parts, and steps of searches: some milliseconds in all.
  static let questions = 50_000

  private var left = SearchBudget.questions

  /// All steps of one question.
  package init() {}

  /// Whether a search should give up. Only searches ask; a plain union of any size is always answered.
  package var isSpent: Bool { left <= 0 }

  /// Counts a question or a step.
  package mutating func spend() { left &-= 1 }

  /// Counts several at once.
  package mutating func spend(_ steps: Int) { left &-= steps }
}
