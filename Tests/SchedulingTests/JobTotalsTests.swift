import JobModel
import TestSupport
import Testing
import Triggers

@testable import Scheduling

@Suite("How many jobs are what")
struct JobTotalsTests {
  private func totals(_ f: Fixture) -> JobTotals { f.core.jobTotals(in: 0..<f.core.slotCount) }

  @Test("whatever changes the totals changes the number that says so", arguments: 0..<20 as Range<UInt64>)
  func whatChanges(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    var f = Fixture()
    f.core.configuration.orphansMax = 2
    var known = (changes: f.core.jobChanges, totals: totals(f))
    var kinds: Set<Int> = []
    for step in 1...400 {
      let name = "job\(random.next() % 6)"
      let kind = Int(random.next() % 7)
      switch kind {
      case 0: _ = try? f.core.pause(name, into: &f.actions)
      case 1: _ = try? f.core.resume(name, at: f.now, into: &f.actions)
      case 2: _ = try? f.schedule(name, .every(nanoseconds: 7 * second))
      case 3: f.advance(to: Double(step * 5))
      default:
        let wanted = (0..<6).filter { _ in random.next() % 3 > 0 }
        let definitions = wanted.map { number in
          definition("job\(number)") { $0.enabled = random.next() % 4 > 0 }
        }
        f.core.reconcile(definitions, at: f.now, into: &f.actions)
        f.settle()
        f.core.batchTaken(by: 0)
        f.core.batchIsDurable(in: 0, into: &f.actions)
        f.absorb()
      }
      let now = (changes: f.core.jobChanges, totals: totals(f))
      if now.totals != known.totals {
        #expect(now.changes != known.changes, "step \(step), kind \(kind)")
        kinds.insert(kind)
      }
      known = now
    }
    #expect(kinds.isSuperset(of: [0, 1]) && kinds.contains { $0 >= 4 })
  }

  @Test("a fire changes nothing of it")
  func fires() throws {
    var f = Fixture([definition("a", every: second) { $0.maxInstances = 1_000 }, definition("b", every: 3 * second)])
    f.advance(to: 5)
    let before = f.core.jobChanges
    f.advance(to: 500)
    #expect(f.fires("a").count > 400)
    #expect(f.core.jobChanges == before)
  }
}
