import Chronology
import JobModel
import Testing
import Triggers

@testable import Scheduling

@Suite("A reload costs what it changes")
struct ReloadCostTests {
  private typealias Step = SchedulerCore.ReloadStep

  @Test(
    "one edited job and one that has gone are all that is looked at, however many others there are",
    arguments: [100, 10_000, 100_000])
  func oneEdit(count: Int) {
    var f = Fixture(
      (0..<count).map { number in
        definition("job\(number)", every: 3_600 * second) { job in
          if number % 3 == 0 { job.events = ["tick"] }
          if number % 3 == 1 { job.after = [Upstream("job\(number - 1)")] }
          if number % 50 == 0 { job.watch = FileWatch(paths: ["/in/*"]) }
        }
      })
    let before = f.core.jobs.examined
    let edited = definition("job21", every: 7 * second) { $0.events = ["tock"] }
    let result = f.core.reload(
      Step(declared: [edited], removed: ["job30"], isLast: true), at: f.now, into: &f.actions)
    f.settle()
    #expect(result.changed == 1 && result.orphaned == 1 && result.added == 0 && result.unchanged == 0)
    // The two, and the edited one once more for the events that it listens to.
    #expect(f.core.jobs.examined - before == 3)
    #expect(f.core.listeners.events["tock"]?.count == 1)
    #expect(f.core.listeners.events["tick"]?.count == (count + 2) / 3 - 1)
  }

  @Test("dynamic schedules of other jobs are not looked at")
  func dynamicSchedules() throws {
    var f = Fixture((0..<1_000).map { definition("job\($0)", every: nil) })
    for number in 0..<1_000 {
      var request = ScheduleRequest(job: "job\(number % 10)", trigger: .every(nanoseconds: second))
      request.id = "s\(number)"
      _ = try f.core.schedule(request, at: f.now, into: &f.actions)
    }
    f.settle()
    let before = f.core.jobs.examined
    let edited = definition("job3", every: nil) { $0.priority = 5 }
    _ = f.core.reload(Step(declared: [edited], removed: [], isLast: true), at: f.now, into: &f.actions)
    #expect(f.core.jobs.examined - before == 1 + 100)
    #expect(f.core.scheduled("s13")?.definition.priority == 5 && f.core.scheduled("s14")?.definition.priority == 0)
  }

  @Test("differences in steps leave what a reload of everything leaves", arguments: 0..<60 as Range<UInt64>)
  func equivalence(seed: UInt64) {
    var random = StepPicks(seed)
    var set = random.definitions()
    var stepped = Fixture(set)
    var whole = Fixture(set)
    for _ in 0..<20 {
      let next = random.edited(set)
      let known = Dictionary(uniqueKeysWithValues: set.map { ($0.name, $0) })
      let names = Set(next.map(\.name))
      let declared = next.filter { known[$0.name]?.hasSameOptions(as: $0) != true }
      let removed = set.map(\.name).filter { !names.contains($0) }.sorted()
      let middle = random.below(declared.count + 1)
      let steps = [
        Step(declared: declared[..<middle], removed: [], isLast: false),
        Step(declared: declared[middle...], removed: removed[...], isLast: true),
      ]
      for step in steps { _ = stepped.core.reload(step, at: stepped.now, into: &stepped.actions) }
      whole.core.reconcile(next, at: whole.now, into: &whole.actions)
      stepped.settle()
      whole.settle()
      #expect(stepped.core.standing == whole.core.standing)
      var anew = Listeners()
      anew.derive(from: stepped.core.jobs)
      #expect(stepped.core.listenerNames == stepped.core.names(of: anew))
      #expect(stepped.core.listenerNames == whole.core.listenerNames)
      set = next
    }
  }
}

/// Random sets of definitions, and edits of them.
private struct StepPicks {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func below(_ limit: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(max(1, limit)))
  }

  mutating func definition(_ number: Int) -> JobDefinition {
    SchedulingTests.definition("job\(number)", every: Int64(60 + below(600)) * second) { job in
      for _ in 0..<below(3) { job.events.append("event\(below(4))") }
      if below(3) == 0 { job.after = [Upstream("job\(below(40))")] }
      if below(6) == 0 { job.afterAll = ["job\(below(40))", "job\(below(40))"] }
      if below(4) == 0 { job.group = "group\(below(3))" }
      if below(5) == 0 { job.rate = RateLimit(count: 1 + below(5), window: second, text: "n/1s") }
      job.priority = below(3)
      job.enabled = below(8) > 0
    }
  }

  mutating func definitions() -> [JobDefinition] { (0..<(5 + below(30))).map { definition($0) } }

  /// Some jobs go, some change, some come; now and then very many.
  mutating func edited(_ set: [JobDefinition]) -> [JobDefinition] {
    let isLarge = below(6) == 0
    var byName = Dictionary(uniqueKeysWithValues: set.map { ($0.name, $0) })
    for _ in 0..<(isLarge ? 120 : 1 + below(4)) {
      let number = below(isLarge ? 150 : 40)
      byName["job\(number)"] = below(3) == 0 ? nil : definition(number)
    }
    return byName.values.sorted { $0.name < $1.name }
  }
}

extension SchedulerCore {
  /// Where each job stands, by name.
  fileprivate var standing: [String: String] {
    var standing: [String: String] = [:]
    for job in jobs where job.dynamic == nil && !job.definition.name.isEmpty {
      let queue = job.limiterQueue.map { limits.queues[Int($0.position)] }
      let group = limits.named.first { $0.value == queue?.group }?.key
      let next = job.isOrphaned ? "orphaned" : "\(job.nextFire.map(\.nanoseconds) ?? 0)"
      standing[job.definition.name] =
        "\(next) \(job.isPaused) \(job.definition.priority) \(job.definition.events) \(group ?? "-") "
        + "\(queue?.starts?.limit.count ?? 0)"
    }
    return standing
  }

  fileprivate var listenerNames: [String: [String]] { names(of: listeners) }

  /// Who listens, by name, jobs of each list sorted: two cores have given their jobs other slots.
  fileprivate func names(of listeners: Listeners) -> [String: [String]] {
    var names: [String: [String]] = [:]
    for (event, list) in listeners.events {
      names["on " + event] = list.map { jobs[Int($0.position)].definition.name }.sorted()
    }
    for (job, list) in listeners.downstream {
      names["after " + job] = list.map { "\(jobs[Int($0.job.position)].definition.name) \($0.trigger) \($0.isJoin)" }
        .sorted()
    }
    return names
  }
}
