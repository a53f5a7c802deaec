/// What a reload brought.
package struct ReloadAnswer: Sendable, Codable, Equatable {
  package var generation: Int
  package var added: Int
  package var changed: Int
  package var removed: Int
  /// Errors of scripts that are not in force as they are now.
  package var errors: [ProblemAnswer]

  package init(generation: Int, added: Int, changed: Int, removed: Int, errors: [ProblemAnswer]) {
    self.generation = generation
    self.added = added
    self.changed = changed
    self.removed = removed
    self.errors = errors
  }
}
