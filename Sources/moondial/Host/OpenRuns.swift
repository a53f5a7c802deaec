import Chronology
import Hosting
import JobModel

/// Runs that have not ended, as the stores tell of them.
struct OpenRuns {
  /// Where such a run stands.
  enum Phase: Equatable {
    /// Accepted, and not claimed.
    case waiting
    /// Claimed: it runs, or a worker is about to take it.
    case running
    /// Between two attempts.
    case retrying(at: Instant)
    /// It has begun, and waits for a time or an event without a thread.
    case parked(RunPark)
    /// Claimed by a host that is gone.
    case leftOver

    var word: String {
      switch self {
      case .waiting: "waiting"
      case .running: "running"
      case .retrying: "retrying"
      case .parked: "parked"
      case .leftOver: "left over"
      }
    }
  }

  private var living: Set<RunID> = []
  private(set) var ofJob: [String: [RunRecord]] = [:]
  /// All of them, oldest first.
  private(set) var all: [RunRecord] = []
  private(set) var isHosted = false
  let now: Instant

  init(_ stores: ReadStores, now: Instant) throws {
    try self.init(stores.members.map(\.store), now: now)
  }

  init(_ stores: [any InspectableStore], now: Instant) throws {
    self.now = now
    for store in stores {
      let open = try ReadStores.orFail { try store.openRuns() }
      living.formUnion(store.living(among: open))
      isHosted = isHosted || store.isHosted
      all += open
    }
    ofJob = Dictionary(grouping: all, by: \.job)
  }

  func phase(of run: RunRecord) -> Phase {
    if let park = run.park { return .parked(park) }
    guard run.claimedAt != nil else { return .waiting }
    guard living.contains(run.id) else { return .leftOver }
    if let at = run.resumesAt, at > now { return .retrying(at: at) }
    return .running
  }

  /// The outcome of a run that has ended, or where it stands.
  func word(for run: RunRecord) -> String { run.outcome?.rawValue ?? phase(of: run).word }

  /// `running since 12:00:05`, `2 running, 1 waiting`, or `-`: what a job does now.
  func words(for job: String, in zone: TimeZoneRules) -> String {
    guard let runs = ofJob[job] else { return "-" }
    if runs.count == 1, let run = runs.first {
      switch phase(of: run) {
      case .running: return "running since \(TimeFormat.time(run.lastStartedAt ?? run.claimedAt ?? now, in: zone))"
      case .retrying(let at): return "next attempt \(TimeFormat.time(at, in: zone))"
      case .parked(let park): return "parked \(park.words { TimeFormat.time($0, in: zone) })"
      case .waiting, .leftOver: return phase(of: run).word
      }
    }
    let words = runs.map { phase(of: $0).word }
    let counts = ["running", "retrying", "parked", "waiting", "left over"].compactMap { word in
      let count = words.count { $0 == word }
      return count > 0 ? "\(count) \(word)" : nil
    }
    return counts.joined(separator: ", ")
  }
}
