import Chronology
import JobModel
import Testing

@testable import ProcessExecutor

@Suite("Orders that wait for a worker process")
struct WaitingOrdersTests {
  private final class NoPayload: JobPayload {
    func difference(from other: any JobPayload) -> PayloadDifference { .none }
  }

  private func order(_ number: Int, _ priority: Int) -> RunOrder {
    var definition = JobDefinition(
      name: "job", source: SourceLocation(file: "test.lua", line: 1), payload: NoPayload())
    definition.priority = priority
    return RunOrder(
      token: RunToken(slot: number, use: 1), id: RunID(Int64(number)), job: JobEntry(definition), attempt: 1,
      scheduledAt: .epoch)
  }

  private func line(_ priorities: [Int]) -> [Int32] {
    var line: [RunOrder] = []
    for (number, priority) in priorities.enumerated() { line.enter(order(number, priority)) }
    return line.map(\.token.slot)
  }

  @Test(
    "stand in the order of their arrival, those above zero at every other place, those below zero at the end",
    arguments: [
      ([0, 0, 0], [0, 1, 2]), ([0, 0, 0, 10], [3, 0, 1, 2]), ([0, 0, 0, 10, 10], [3, 0, 4, 1, 2]),
      ([0, 10, 100], [2, 1, 0]), ([10, 10, 0], [0, 1, 2]), ([0, -5, 0, -1, -5], [0, 2, 3, 1, 4]),
      ([-1, -1, 5], [2, 0, 1]), ([-1, 5, 5, 0], [1, 2, 3, 0]),
    ] as [([Int], [Int32])])
  func places(priorities: [Int], expected: [Int32]) { #expect(line(priorities) == expected) }

  @Test("keep nobody out: beside a flood of urgent orders the others have every other place")
  func flood() {
    var line = (0..<50).map { order($0, 0) }
    var taken: [Int8] = []
    for number in 0..<100 {
      line.enter(order(1_000 + number, 100))
      line.enter(order(2_000 + number, 100))
      taken.append(line.removeFirst().priority)
    }
    #expect(taken.count { $0 == 0 } >= 40, "\(taken)")
  }
}
