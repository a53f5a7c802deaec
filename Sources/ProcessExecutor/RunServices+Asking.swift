internal import Basics
internal import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptRuntime
internal import Triggers

/// Values, jobs, schedules and metrics that runs in workers ask for.
extension RunServices {
  // MARK: Values

  /// Bytes of the largest value, and of a list of keys, that an answer brings.
  private static let valueMost = 64 << 20

  func askStore(_ call: UInt64, _ question: ServiceCall) -> Bool {
    guard let store = services.keyValues(order.job.definition) else {
      return finish(call, .storeFailed(StoreError(.unsupported, "this host has no store for values")))
    }
    let now = services.wall.now
    switch question {
    case .value(let key, let bytes):
      let most = Self.valueMost
      store.value(of: key, in: script.text, upTo: min(max(0, bytes), most), at: now) { result in
        self.finish(call, Self.answer(result, most) { .value($0) })
      }
    case .keys(let prefix, let limit, let bytes):
      let (limit, most) = (min(max(1, limit), 100_000), Frame.answerMost)
      store.keys(prefix: prefix, in: script.text, limit: limit, upTo: min(max(0, bytes), most), at: now) { result in
        self.finish(call, Self.answer(result, most) { .keys($0) })
      }
    case .change(let key, let value, let expiresAt, let expecting):
      let change = KeyValueChange(
        space: script.text, key: key, value: value, expiresAt: expiresAt, expecting: expecting)
      return self.change(change, of: store, at: now, call)
    default: return false
    }
    return true
  }

  private static func answer<Value>(
    _ result: Result<Sized<Value>, StoreError>, _ most: Int, _ make: (Sized<Value>) -> ServiceAnswer
  ) -> ServiceAnswer {
    switch result {
    case .success(.larger(let bytes)) where bytes > most:
      .storeFailed(StoreError(.quota, "the answer has \(bytes) bytes, and a process is told \(most >> 20) MB at most"))
    case .success(let found): make(found)
    case .failure(let error): .storeFailed(error)
    }
  }

  private func change(_ wanted: KeyValueChange, of store: any KeyValueStore, at now: Instant, _ call: UInt64) -> Bool {
    let quotas = services.quotas()
    guard (1...Quotas.kvKeyBytes).contains(wanted.key.utf8.count), wanted.expecting ?? 0 >= 0 else { return false }
    var change = wanted
    if let value = wanted.value {
      let size = value.text.utf8.count
      guard size <= quotas.kvValueBytes else {
        let message = "the value has \(size) bytes, and \(quotas.kvValueBytes) are allowed"
        return finish(call, .storeFailed(StoreError(.quota, Quotas.message(message, "kv_value_bytes"))))
      }
      // Secrets are not in the way of a script's own values.
      guard JSONCheck.isDocument(value.text) else { return false }
      change.quota = quotas.kvBytesPerScript
    }
    store.change(change, at: now) { result in
      switch result {
      case .success(let isDone): self.finish(call, .changed(isDone))
      case .failure(let error): self.finish(call, .storeFailed(error))
      }
    }
    return true
  }

  // MARK: Jobs

  func listJobs(_ call: UInt64) {
    onBlockingPool(call) { [services] in
      let jobs: [JobSummary]
      do throws(HostRefusal) { jobs = try services.jobs.jobs() } catch { return .refused(error) }
      let size = jobs.reduce(0) { $0 + Self.size($1) }
      guard size <= Frame.answerMost else {
        let refusal =
          "the list of \(jobs.count) jobs has \(size >> 20) MB, and a process is told "
          + "\(Frame.answerMost >> 20) MB at most: ask for it in a job on threads"
        return .refused(HostRefusal(refusal))
      }
      return .jobs(jobs)
    }
  }

  /// At least what it takes in a frame.
  private static func size(_ job: JobSummary) -> Int {
    var size = 80 + job.name.utf8.count + (job.script?.utf8.count ?? 0)
    for tag in job.tags { size += 4 + tag.utf8.count }
    for schedule in job.schedules {
      size += 40 + schedule.id.utf8.count + schedule.trigger.utf8.count + (schedule.params?.text.utf8.count ?? 0)
    }
    return size
  }

  func run(_ call: UInt64, _ job: String, _ params: JSONText?) -> Bool {
    guard params?.isTable ?? true else { return false }
    switch given(params, services.quotas().paramsBytes, "params_bytes") {
    case .nonsense: return false
    case .refused(let refusal): return finish(call, .refused(refusal))
    case .taken(let params):
      services.jobs.run(job, params: params) { result in
        switch result {
        case .success(let id): self.finish(call, .run(id.number))
        case .failure(let refusal): self.finish(call, .refused(refusal))
        }
      }
      return true
    }
  }

  // MARK: Schedules

  /// Bytes of a trigger's text. The largest that a script can make is written in less (docs/security.md).
  private static let triggerBytes = 2 << 20
  /// Nanoseconds that a trigger may take to be made.
  private static let triggerTime: Int64 = 2_000_000_000

  func ask(_ call: UInt64, _ wanted: WireSchedule) -> Bool {
    guard wanted.isSound else { return false }
    switch given(wanted.options.params, services.quotas().paramsBytes, "params_bytes") {
    case .nonsense: return false
    case .refused(let refusal): return finish(call, .refused(refusal))
    case .taken(let params):
      // Not on the executor's thread: that is everybody's.
      let isTaken = services.blockingPool.run {
        var schedule = wanted
        schedule.options.params = params
        self.make(schedule, call)
      }
      if !isTaken { finish(call, .refused(HostRefusal(services.blockingPool.refusal))) }
      return true
    }
  }

  private func make(_ wanted: WireSchedule, _ call: UInt64) {
    switch request(wanted, WorkDeadline(allowed: Self.triggerTime)) {
    case .failure(let refusal): finish(call, .refused(refusal))
    case .success(let request):
      services.jobs.schedule(request) { result in
        switch result {
        case .success(let id): self.finish(call, .schedule(id))
        case .failure(let refusal): self.finish(call, .refused(refusal))
        }
      }
    }
  }

  /// A schedule with its trigger. Blocks while that is made.
  func request(_ wanted: WireSchedule, _ deadline: WorkDeadline) -> Result<ScheduleRequest, HostRefusal> {
    guard wanted.trigger.utf8.count <= Self.triggerBytes else {
      return .failure(HostRefusal("the trigger has more than \(Self.triggerBytes >> 20) MB of text"))
    }
    let zoneName = wanted.options.timeZone ?? order.job.definition.timeZone
    var request: ScheduleRequest
    do {
      let context = TriggerContext(
        zones: services.zones, zone: try services.zones.zone(named: zoneName), deadline: deadline)
      request = ScheduleRequest(
        job: wanted.job, id: wanted.id, trigger: try TriggerText.parse(wanted.trigger, context: context).trigger)
    } catch {
      let why = "\(error)".cut(toBytes: 200)
      return .failure(
        HostRefusal("the host cannot read the trigger \(wanted.trigger.cut(toBytes: 200)): \(why)"))
    }
    request.replaceExisting = wanted.replaceExisting
    request.options = wanted.options
    request.quota = services.quotas().schedulesPerJob
    return .success(request)
  }

  // MARK: Metrics

  /// Labels of one series; a page with two values for one label is read by nobody.
  private static let labelsMost = 1_000

  func measure(_ call: UInt64, _ wanted: MetricRegistry.Change) -> Bool {
    guard wanted.labels.count <= Self.labelsMost, Set(wanted.labels.map(\.key)).count == wanted.labels.count else {
      return false
    }
    var change = wanted
    change.name = mask.masked(wanted.name)
    change.labels = wanted.labels.map { (key: mask.masked($0.key), value: mask.masked($0.value)) }
    return finish(call, .metric(services.metrics.apply(change, of: script.text, quotas: services.quotas())))
  }
}

extension WireSchedule {
  /// Whether it says what the fields of a job can say.
  var isSound: Bool {
    options.jitter ?? 0 >= 0 && options.misfireGraceTime ?? 0 >= 0
      && (1...100_000).contains(options.maxInstances ?? 1) && (-100...100).contains(options.priority ?? 0)
      && options.timeZone?.utf8.count ?? 0 <= 256 && options.params?.isObject ?? true
  }
}
