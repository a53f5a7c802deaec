import Testing

@testable import SQLiteStore

@Suite("When the write-ahead log is copied back")
struct CheckpointPlanTests {
  /// The page counts at which it is due, of a log that grows by `step` pages a commit and begins anew with the first
  /// commit after a checkpoint that `ends` lets it.
  private func due(upTo commits: Int, step: Int32 = 4, beginsAnew: (Int) -> Bool) -> [(commit: Int, pages: Int32)] {
    var plan = CheckpointPlan(pagesBetween: 2_000)
    var pages: Int32 = 0
    var isCopied = false
    var found: [(Int, Int32)] = []
    for commit in 1...commits {
      pages = isCopied && beginsAnew(commit) ? step : pages + step
      isCopied = false
      if plan.isDue(at: pages) {
        found.append((commit, pages))
        isCopied = true
      }
    }
    return found
  }

  @Test("without readers every 2,000 pages, and the log begins anew each time")
  func alone() {
    #expect(due(upTo: 2_100) { _ in true }.map(\.pages) == [2_000, 2_000, 2_000, 2_000])
  }

  @Test("beside somebody who reads on it is tried again soon, and then ever more rarely")
  func besideReader() {
    #expect(
      due(upTo: 2_500) { _ in false }.map(\.pages) == [2_000, 2_100, 2_300, 2_700, 3_500, 5_100, 7_100, 9_100])
  }

  @Test("a log that could not begin anew at once is at most 100 pages longer, not twice as long")
  func soonAgain() {
    var isBusy = true
    let found = due(upTo: 1_600) { _ in
      isBusy.toggle()
      return isBusy
    }
    #expect(found.map(\.pages) == [2_000, 2_100, 2_000, 2_100, 2_000, 2_100])
  }
}
