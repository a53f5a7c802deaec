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
    var known = arrivals[index] ?? []
    known.removeAll { $0.job == arrival.job }
    known.append(arrival)
    arrivals[index] = known
    let names = Set(known.map(\.job))
    return all.allSatisfy { names.contains($0) }
  }

  /// A join waits for each of its jobs anew. Whether it had seen any.
  mutating func endJoin(_ index: JobIndex) -> Bool {
    !arrivals.isEmpty && arrivals.removeValue(forKey: index) != nil
  }

  /// What a store knows of a join that goes on. What the job does not wait for any more is left out.
  mutating func adopt(_ known: [UpstreamArrival], at index: JobIndex, of all: [String]) {
    guard !known.isEmpty else { return }
    let names = Set(all)
    let left = known.filter { names.contains($0.job) }
    arrivals[index] = left.isEmpty ? nil : left
  }
}
