import JobModel

/// Who listens: to events by name, to other jobs by name. Derived from the definitions, but for what joins have seen.
struct Listeners: Sendable {
  /// A job that runs after another one.
  struct Downstream: Sendable {
    var job: JobIndex
    var trigger: Upstream.Trigger
    /// It waits for other jobs as well (`after = { all = … }`).
    var isJoin: Bool
  }

  private(set) var events: [String: [JobIndex]] = [:]
  private(set) var downstream: [String: [Downstream]] = [:]
  /// What has succeeded of the jobs that joins wait for, since each join's last run, in the order of arrival.
  private(set) var arrivals: [JobIndex: [UpstreamArrival]] = [:]
  /// Bytes of the results in `arrivals`; and the most that they may be over all joins. What goes beyond that, or beyond
  /// what one join may keep, is left out: the run's row has it.
  private var resultBytes = 0
  private static let mostResultBytes = 64 << 20

  /// O(jobs).
  mutating func derive(from jobs: JobTable) {
    events.removeAll(keepingCapacity: true)
    downstream.removeAll(keepingCapacity: true)
    for offset in jobs.indices {
      let definition = jobs[offset].entry.definition
      guard definition.listens else { continue }
      for event in definition.events { events[event, default: []].append(JobIndex(offset)) }
      for upstream in definition.after {
        downstream[upstream.job, default: []].append(
          Downstream(job: JobIndex(offset), trigger: upstream.trigger, isJoin: false))
      }
      for upstream in definition.afterAll {
        downstream[upstream, default: []].append(
          Downstream(job: JobIndex(offset), trigger: .succeeded, isJoin: true))
      }
    }
  }

  // MARK: Joins

  /// A success that a join waits for. Whether it was the last one of `all` that was missing.
  mutating func arrive(_ arrival: UpstreamArrival, at index: JobIndex, of all: [String]) -> Bool {
    var known = take(index)
    known.removeAll { $0.job == arrival.job }
    known.append(arrival)
    keep(known, at: index)
    let names = Set(known.map(\.job))
    return all.allSatisfy { names.contains($0) }
  }

  /// A join waits for each of its jobs anew. Whether it had seen any.
  mutating func endJoin(_ index: JobIndex) -> Bool { !arrivals.isEmpty && !take(index).isEmpty }

  /// What a store knows of a join that goes on. What the job does not wait for any more is left out.
  mutating func adopt(_ known: [UpstreamArrival], at index: JobIndex, of all: [String]) {
    guard !known.isEmpty else { return }
    let names = Set(all)
    _ = take(index)
    keep(known.filter { names.contains($0.job) }, at: index)
  }

  private mutating func take(_ index: JobIndex) -> [UpstreamArrival] {
    let known = arrivals.removeValue(forKey: index) ?? []
    resultBytes -= known.reduce(0) { $0 + $1.resultBytes }
    return known
  }

  private mutating func keep(_ known: [UpstreamArrival], at index: JobIndex) {
    guard !known.isEmpty else { return }
    var known = known
    var bytes = 0
    for place in known.indices {
      let more = known[place].resultBytes
      if bytes + more <= UpstreamArrival.mostResultBytes, resultBytes + bytes + more <= Self.mostResultBytes {
        bytes += more
      } else {
        known[place].result = nil
      }
    }
    resultBytes += bytes
    arrivals[index] = known
  }
}

extension UpstreamArrival {
  fileprivate var resultBytes: Int { result?.text.utf8.count ?? 0 }
}
