/// Which host executes a claimed run. A pure decision: it knows nothing but what it is given.
///
/// The host that decides prefers itself: a run that goes elsewhere costs two commits and two notices more, some
/// milliseconds. Another host gets it when this one has no room, may not run it, or has at least half a run more for
/// each of its workers: below that nobody gains anything by the way there. Of the others the one with the fewest runs
/// for each worker is taken, of equal ones the first by name.
///
/// A host has room while it has fewer runs that were given to it and have not begun than it has workers: runs that wait
/// for something (`sleep`, `http`) occupy no worker, and there may be thousands of them.
package struct Placement: Sendable {
  /// An executor of a host.
  package struct Room: Sendable, Equatable {
    package var workers: Int
    /// Runs that it was given and that have not begun.
    package var waiting = 0
    package var running = 0

    package init(workers: Int, waiting: Int = 0, running: Int = 0) {
      self.workers = workers
      self.waiting = waiting
      self.running = running
    }

    var hasSpace: Bool { waiting < workers }
    var runs: Int { waiting + running }

    /// Whether it has fewer runs for each worker.
    func isLessLoaded(than other: Room) -> Bool { runs * other.workers < other.runs * workers }
    /// Whether it has at least half a run less for each worker.
    func isClearlyLessLoaded(than other: Room) -> Bool {
      2 * runs * other.workers + workers * other.workers <= 2 * other.runs * workers
    }
  }

  /// A host that lives.
  package struct Host: Sendable, Equatable {
    package var name: String
    package var labels: [String]
    /// By name.
    package var executors: [String: Room]
    /// Why it cannot have this run, whatever room it has: the end of a sentence that begins with its name. nil: it can.
    package var refusal: String?
    /// Whether it refuses since it has not the version of the job under which the run was claimed.
    package var lacksVersion: Bool

    package init(
      name: String, labels: [String] = [], executors: [String: Room], refusal: String? = nil, lacksVersion: Bool = false
    ) {
      self.name = name
      self.labels = labels
      self.executors = executors
      self.refusal = refusal
      self.lacksVersion = lacksVersion
    }
  }

  /// What a run needs.
  package struct Need: Sendable, Equatable {
    package var executor: String
    /// The host must have all of them.
    package var labels: [String]
    /// Why only the host that decides can run it; nil: others may.
    package var staysHere: String?

    package init(executor: String, labels: [String] = [], staysHere: String? = nil) {
      self.executor = executor
      self.labels = labels
      self.staysHere = staysHere
    }
  }

  package enum Answer: Sendable, Equatable {
    case here
    case member(String)
    /// Hosts that could run it have no room for it now.
    case full
    /// No host that lives may run it: for each its name with why.
    case nobody([String])
  }

  /// The host that decides.
  package var here: Host
  package var others: [Host]

  package init(here: Host, others: [Host]) {
    self.here = here
    self.others = others
  }

  package func host(for need: Need) -> Answer {
    let mayStay = reason(here, need) == nil
    var best: (name: String, room: Room)?
    var couldElsewhere = false
    if need.staysHere == nil {
      for other in others where reason(other, need) == nil {
        couldElsewhere = true
        guard let room = other.executors[need.executor], room.hasSpace else { continue }
        if let known = best, !room.isLessLoaded(than: known.room),
          known.room.isLessLoaded(than: room) || known.name <= other.name
        {
          continue
        }
        best = (other.name, room)
      }
    }
    if mayStay, let room = here.executors[need.executor], room.hasSpace {
      guard let best, best.room.isClearlyLessLoaded(than: room) else { return .here }
      return .member(best.name)
    }
    if let best { return .member(best.name) }
    if mayStay || couldElsewhere { return .full }
    return .nobody(
      ["\(here.name) (this host) \(reason(here, need) ?? "")"]
        + others.map { "\($0.name) \(need.staysHere.map { "cannot: \($0)" } ?? reason($0, need) ?? "")" })
  }

  /// Whether a run that nobody may execute as it was claimed will find nobody who has that version of its job: each
  /// host that could execute it otherwise lacks it. One that is drained, say, may still have it.
  package func isVersionGone(for need: Need) -> Bool {
    others.allSatisfy { other in
      var willing = other
      willing.refusal = nil
      return other.lacksVersion || reason(willing, need) != nil
    }
  }

  /// Why a host may not run it, apart from room; nil: it may.
  private func reason(_ host: Host, _ need: Need) -> String? {
    let missing = need.labels.filter { !host.labels.contains($0) }
    if !missing.isEmpty {
      return "has no label \(missing.map { "\"\($0)\"" }.joined(separator: ", "))"
    }
    if host.executors[need.executor] == nil { return "has no executor \"\(need.executor)\"" }
    return host.refusal
  }
}
