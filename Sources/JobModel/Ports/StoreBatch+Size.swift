/// How much a batch is.
extension StoreBatch {
  /// How many rows it changes. O(1)
  package var changes: Int {
    schedules.count + fires.count + waiting.count + claims.count + finished.count + dropped.count + decisions.count
      + files.count + unscheduled.count + forgotten.count + audit.count + steps.count
  }

  /// About how many bytes its texts have. Shared ones count for each run that has them. O(runs)
  package var textBytes: Int {
    waiting.reduce(0) { $0 + $1.textBytes } + claims.reduce(0) { $0 + $1.textBytes }
      + finished.reduce(0) { $0 + $1.textBytes } + steps.reduce(0) { $0 + $1.textBytes }
      + schedules.reduce(0) { $0 + ($1.dynamic?.options.params?.text.utf8.count ?? 0) }
  }
}
