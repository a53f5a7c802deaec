internal import Chronology
internal import FileWatching
internal import JobModel

/// Decides which version of each script is in force, so that the whole is consistent: each name once, every `after`
/// known and no circles. Pure: evaluations and former versions in, choices and conflicts out.
///
/// A script's *candidate* is what its file says now; its *former* version was in force before. Candidates are put in
/// force, and those that cannot stay together with the others are revoked, one after the other, until what is left
/// is consistent. Former versions were consistent with each other, so this ends there at the latest.
struct GenerationAssembly {
  private struct Entry {
    let path: ScriptPath
    let candidate: ScriptVersion?
    let former: ScriptVersion?
    var choice: ScriptVersion?
    var conflicts: [ScriptProblem] = []

    /// Whether there is something to take back.
    var isNew: Bool { choice != nil && choice !== former }

    /// Falls back by one step; every call has an effect until nothing is in force, so no loop over it is endless.
    mutating func revoke() { choice = isNew ? former : nil }
  }

  /// In path order.
  private var entries: [Entry]
  /// Whether every script is among them.
  private let isWhole: Bool
  private let mostJobs: Int
  /// The jobs of the program that hosts the scripts, by name, with the jobs after which they run; nil: there is none.
  private let nativeJobs: [String: [String]]?

  /// - Parameter scripts: the last evaluation of each script, and the version that was in force before; in path order.
  /// - Parameter isWhole: whether every script is among them; one that still loads may declare what others name.
  init(
    _ scripts: [(evaluation: ScriptEvaluation, former: ScriptVersion?)], isWhole: Bool = true,
    mostJobs: Int = Quotas().jobs,
    nativeJobs: [String: [String]]? = nil
  ) {
    self.nativeJobs = nativeJobs
    self.isWhole = isWhole
    self.mostJobs = mostJobs
    entries = scripts.map { script in
      let candidate = script.evaluation.version
      return Entry(
        path: script.evaluation.path, candidate: candidate, former: script.former, choice: candidate ?? script.former)
    }
  }

  /// The version in force of each script and what kept its candidate out, in the order given.
  mutating func resolve() -> [(active: ScriptVersion?, conflicts: [ScriptProblem])] {
    repeat {
      while revokeDuplicates() || revokeTooMany() {}
    } while revokeUnknownUpstreams() || revokeCircles()
    return entries.map { ($0.choice, $0.conflicts) }
  }

  private mutating func conflict(_ index: Int, at location: SourceLocation, _ message: String) {
    add(ScriptProblem(.error, at: location, message), to: index)
  }

  private mutating func add(_ problem: ScriptProblem, to index: Int) {
    if !entries[index].conflicts.contains(problem) { entries[index].conflicts.append(problem) }
  }

  /// Scripts whose new jobs would be too many for one host, the last in path order first to go.
  private mutating func revokeTooMany() -> Bool {
    var count = 0
    for index in entries.indices {
      count += entries[index].choice?.jobs.count ?? 0
      guard count > mostJobs, entries[index].isNew else { continue }
      let location = SourceLocation(file: entries[index].path.text, line: 0)
      conflict(
        index, at: location,
        Quotas.message(
          "with its jobs there would be more than \(mostJobs), which is the most of all scripts together", "jobs"))
      entries[index].revoke()
      return true
    }
    return false
  }

  // MARK: Names

  /// The loaded one keeps its name; among those that are all new, the first in path order.
  private mutating func revokeDuplicates() -> Bool {
    // A script's own names were compared when it was evaluated.
    guard entries.count(where: { $0.choice != nil }) > 1 else { return false }
    var owners: [String: (index: Int, location: SourceLocation)] = [:]
    owners.reserveCapacity(entries.reduce(0) { $0 + ($1.choice?.jobs.count ?? 0) })
    // Holders first: whoever had the name before and still has it.
    for index in entries.indices {
      guard let choice = entries[index].choice, let former = entries[index].former else { continue }
      let held = choice === former ? nil : Set(former.jobs.map(\.name))
      for job in choice.jobs where held?.contains(job.name) ?? true { owners[job.name] = (index, job.source) }
    }
    var losers: Set<Int> = []
    for index in entries.indices {
      guard let choice = entries[index].choice else { continue }
      for job in choice.jobs {
        guard let owner = owners[job.name] else {
          owners[job.name] = (index, job.source)
          continue
        }
        guard owner.index != index else { continue }
        conflict(
          index, at: job.source,
          "job \(quoted(job.name)) is already declared at \(owner.location), which stays loaded; give one of them another name"
        )
        losers.insert(index)
      }
    }
    for index in losers { entries[index].revoke() }
    return !losers.isEmpty
  }

  // MARK: after

  /// A name in `after` that no script declares keeps its script out; but not while some script is not loaded as its
  /// file says, since the job may be declared there, and one bad script must not stop another. Nor where a program
  /// hosts the scripts: it may declare the job later, or take it away, and the scripts stay.
  private mutating func revokeUnknownUpstreams() -> Bool {
    guard isWhole else { return false }
    var names: Set<String>?
    let isWhole = entries.allSatisfy { $0.candidate != nil && $0.choice === $0.candidate }
    var found: [Int: [ScriptProblem]] = [:]
    for index in entries.indices {
      for job in entries[index].choice?.jobs ?? [] {
        for upstream in job.upstreams {
          let known = names ?? Set(entries.flatMap { $0.choice?.jobs.map(\.name) ?? [] })
          names = known
          if known.contains(upstream) || nativeJobs?[upstream] != nil { continue }
          let hint = FieldReading.suggestion(for: upstream, among: known.sorted())
          let remedy = hint.isEmpty ? "; declare it or remove it from after" : hint
          if nativeJobs != nil {
            let note = "after names \(quoted(upstream)), which nobody declares so far"
            found[index, default: []].append(
              ScriptProblem(.note, at: job.source, "job \(quoted(job.name)): \(note)\(hint)"))
            continue
          }
          found[index, default: []].append(
            ScriptProblem(
              .error, at: job.source,
              "job \(quoted(job.name)): after names \(quoted(upstream)), but no job of that name is loaded\(remedy)"))
        }
      }
    }
    let losers = found.filter { $0.value.contains { $0.severity == .error } }.keys.filter {
      isWhole && entries[$0].isNew
    }
    // While scripts are still revoked, what the others lack may change: only the last pass tells it.
    for index in losers.isEmpty ? Array(found.keys) : losers {
      for problem in found[index] ?? [] { add(problem, to: index) }
    }
    for index in losers { entries[index].revoke() }
    return !losers.isEmpty
  }

  /// Jobs that would run after each other for ever. Found by a walk over the jobs that have `after`, depth first and
  /// without recursion.
  private mutating func revokeCircles() -> Bool {
    var jobs: [String: (index: Int?, upstreams: [String], source: SourceLocation)] = [:]
    for (name, upstreams) in nativeJobs ?? [:] where !upstreams.isEmpty {
      jobs[name] = (nil, upstreams, SourceLocation(file: "", line: 0))
    }
    for index in entries.indices {
      for job in entries[index].choice?.jobs ?? [] where !job.upstreams.isEmpty {
        if nativeJobs?[job.name] == nil { jobs[job.name] = (index, job.upstreams, job.source) }
      }
    }
    guard !jobs.isEmpty else { return false }
    var isDone: Set<String> = []
    var losers: Set<Int> = []
    for start in jobs.keys.sorted() where !isDone.contains(start) {
      var path: [(name: String, next: Int)] = [(start, 0)]
      var onPath: Set<String> = [start]
      while let (name, next) = path.last {
        guard let after = jobs[name]?.upstreams, next < after.count else {
          isDone.insert(name)
          onPath.remove(name)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let upstream = after[next]
        guard jobs[upstream] != nil, !isDone.contains(upstream) else { continue }
        if onPath.contains(upstream) {
          let first = path.firstIndex { $0.name == upstream } ?? 0
          report(circle: path[first...].map(\.name), jobs, &losers)
        } else {
          onPath.insert(upstream)
          path.append((upstream, 0))
        }
      }
    }
    for index in losers { entries[index].revoke() }
    return !losers.isEmpty
  }

  private mutating func report(
    circle: [String], _ jobs: [String: (index: Int?, upstreams: [String], source: SourceLocation)],
    _ losers: inout Set<Int>
  ) {
    // From the smallest name on, so that the same circle always reads the same.
    let start = circle.indices.min { circle[$0] < circle[$1] } ?? 0
    let ring = Array(circle[start...] + circle[..<start])
    let shown = (ring + [ring[0]]).map(quoted).joined(separator: " after ")
    for name in ring {
      guard let job = jobs[name], let index = job.index else { continue }
      // Each script of the circle says it once, at its first job of it.
      if entries[index].conflicts.contains(where: { $0.message.hasSuffix(shown + "; remove one of them") }) { continue }
      conflict(index, at: job.source, "job \(quoted(name)) would wait for itself: \(shown); remove one of them")
      if entries[index].isNew { losers.insert(index) }
    }
  }
}
