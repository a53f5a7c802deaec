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

  /// Jobs whose definition is another one than the one that `events` and `downstream` were made of, with that one; nil:
  /// they are in neither.
  private var stale: [JobIndex: JobDefinition?] = [:]
  /// With more changes than these the tables are made anew.
  private static let fewChanges = 64

  // MARK: Following the definitions

  /// Makes the tables anew. O(jobs).
  mutating func derive(from jobs: JobTable) {
    stale.removeAll()
    events.removeAll(keepingCapacity: true)
    downstream.removeAll(keepingCapacity: true)
    for offset in jobs.indices { insert(JobIndex(offset), jobs[offset].entry.definition) }
  }

  /// A job gets, or loses, a definition. The tables follow with `refresh`.
  ///
  /// - Parameter old: nil: the slot was nobody's.
  mutating func noteChange(of index: JobIndex, from old: JobDefinition?, to new: JobDefinition?) {
    guard old?.listens == true || new?.listens == true, stale.index(forKey: index) == nil else { return }
    stale.updateValue(old, forKey: index)
  }

  /// Brings the tables to the definitions that the jobs have now: a few changes one by one, a list of listeners
  /// searched by halving; many by `derive`.
  ///
  /// - Returns: how many jobs it looked at.
  mutating func refresh(from jobs: JobTable) -> Int {
    guard stale.count <= Self.fewChanges else {
      derive(from: jobs)
      return jobs.count
    }
    for (index, old) in stale {
      if let old { remove(index, old) }
      insert(index, jobs[index.offset].entry.definition)
    }
    defer { if !stale.isEmpty { stale.removeAll() } }
    return stale.count
  }

  private mutating func insert(_ index: JobIndex, _ definition: JobDefinition) {
    guard definition.listens else { return }
    for event in definition.events {
      events[event, default: []].insert(index, in: index) { $0 }
    }
    for upstream in definition.after {
      let listener = Downstream(job: index, trigger: upstream.trigger, isJoin: false)
      downstream[upstream.job, default: []].insert(listener, in: index) { $0.job }
    }
    for upstream in definition.afterAll {
      let listener = Downstream(job: index, trigger: .succeeded, isJoin: true)
      downstream[upstream, default: []].insert(listener, in: index) { $0.job }
    }
  }

  private mutating func remove(_ index: JobIndex, _ definition: JobDefinition) {
    for event in definition.events {
      events[event]?.remove(index) { $0 }
      if events[event]?.isEmpty == true { events[event] = nil }
    }
    for upstream in definition.after.map(\.job) + definition.afterAll {
      downstream[upstream]?.remove(index) { $0.job }
      if downstream[upstream]?.isEmpty == true { downstream[upstream] = nil }
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

/// Lists in the order of their jobs' indices, in which a job may stand several times.
extension Array {
  /// How many elements are of jobs before `index`, or up to it. O(log n).
  private func count(before index: JobIndex, orAt isIncluded: Bool, _ job: (Element) -> JobIndex) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      let position = job(self[middle]).position
      if position < index.position || isIncluded && position == index.position {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  fileprivate mutating func insert(_ element: Element, in index: JobIndex, _ job: (Element) -> JobIndex) {
    insert(element, at: count(before: index, orAt: true, job))
  }

  fileprivate mutating func remove(_ index: JobIndex, _ job: (Element) -> JobIndex) {
    removeSubrange(count(before: index, orAt: false, job)..<count(before: index, orAt: true, job))
  }
}

extension UpstreamArrival {
  fileprivate var resultBytes: Int { result?.text.utf8.count ?? 0 }
}
