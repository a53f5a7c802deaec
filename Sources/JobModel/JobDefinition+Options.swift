/// Each option of a definition by its own name; what it means is said in ``DefinitionOptions``.
///
/// Written out because a key path (`@dynamicMemberLookup`) is not resolved at compile time across modules: one read of
/// an option then copied them all, 0.3 us a run.
///
/// Each `unsafe` is proved at `JobDefinition.Own`.
extension JobDefinition {
  @inlinable package var description: String? {
    get { unsafe own.shared.options.description }
    set { unsafe editOptions().options.description = newValue }
  }

  @inlinable package var tags: [String] {
    get { unsafe own.shared.options.tags }
    set { unsafe editOptions().options.tags = newValue }
  }

  // MARK: When

  @inlinable package var events: [String] {
    get { unsafe own.shared.options.events }
    set { unsafe editOptions().options.events = newValue }
  }

  @inlinable package var after: [Upstream] {
    get { unsafe own.shared.options.after }
    set { unsafe editOptions().options.after = newValue }
  }

  @inlinable package var afterAll: [String] {
    get { unsafe own.shared.options.afterAll }
    set { unsafe editOptions().options.afterAll = newValue }
  }

  /// The names of all jobs after whose runs it may run, in the order of their declaration.
  package var upstreams: [String] { after.map(\.job) + afterAll }

  /// Whether it runs after others, or on events.
  package var listens: Bool { !events.isEmpty || !after.isEmpty || !afterAll.isEmpty }

  @inlinable package var watch: FileWatch? {
    get { unsafe own.shared.options.watch }
    set { unsafe editOptions().options.watch = newValue }
  }

  @inlinable package var runAtStart: Bool {
    get { unsafe own.shared.options.runAtStart }
    set { unsafe editOptions().options.runAtStart = newValue }
  }

  @inlinable package var timeZone: String {
    get { unsafe own.shared.options.timeZone }
    set { unsafe editOptions().options.timeZone = newValue }
  }

  @inlinable package var jitter: Int64 {
    get { unsafe own.shared.options.jitter }
    set { unsafe editOptions().options.jitter = newValue }
  }

  @inlinable package var limit: Int? {
    get { unsafe own.shared.options.limit }
    set { unsafe editOptions().options.limit = newValue }
  }

  @inlinable package var debounce: Int64? {
    get { unsafe own.shared.options.debounce }
    set { unsafe editOptions().options.debounce = newValue }
  }

  // MARK: Late and overlapping runs

  @inlinable package var coalesce: CoalescePolicy {
    get { unsafe own.shared.options.coalesce }
    set { unsafe editOptions().options.coalesce = newValue }
  }

  @inlinable package var catchUpMax: Int {
    get { unsafe own.shared.options.catchUpMax }
    set { unsafe editOptions().options.catchUpMax = newValue }
  }

  @inlinable package var misfireGraceTime: Int64? {
    get { unsafe own.shared.options.misfireGraceTime }
    set { unsafe editOptions().options.misfireGraceTime = newValue }
  }

  @inlinable package var maxInstances: Int {
    get { unsafe own.shared.options.maxInstances }
    set { unsafe editOptions().options.maxInstances = newValue }
  }

  @inlinable package var overlap: OverlapPolicy {
    get { unsafe own.shared.options.overlap }
    set { unsafe editOptions().options.overlap = newValue }
  }

  @inlinable package var priority: Int {
    get { unsafe own.shared.options.priority }
    set { unsafe editOptions().options.priority = newValue }
  }

  // MARK: One run

  @inlinable package var timeout: Int64? {
    get { unsafe own.shared.options.timeout }
    set { unsafe editOptions().options.timeout = newValue }
  }

  @inlinable package var memoryLimit: Int? {
    get { unsafe own.shared.options.memoryLimit }
    set { unsafe editOptions().options.memoryLimit = newValue }
  }

  @inlinable package var retry: RetryPolicy? {
    get { unsafe own.shared.options.retry }
    set { unsafe editOptions().options.retry = newValue }
  }

  @inlinable package var recover: Bool {
    get { unsafe own.shared.options.recover }
    set { unsafe editOptions().options.recover = newValue }
  }

  @inlinable package var state: StateLifetime {
    get { unsafe own.shared.options.state }
    set { unsafe editOptions().options.state = newValue }
  }

  // MARK: Where

  @inlinable package var executor: String {
    get { unsafe own.shared.options.executor }
    set { unsafe editOptions().options.executor = newValue }
  }

  @inlinable package var store: String {
    get { unsafe own.shared.options.store }
    set { unsafe editOptions().options.store = newValue }
  }

  @inlinable package var group: String? {
    get { unsafe own.shared.options.group }
    set { unsafe editOptions().options.group = newValue }
  }

  @inlinable package var rate: RateLimit? {
    get { unsafe own.shared.options.rate }
    set { unsafe editOptions().options.rate = newValue }
  }

  @inlinable package var onNodes: [String] {
    get { unsafe own.shared.options.onNodes }
    set { unsafe editOptions().options.onNodes = newValue }
  }

  @inlinable package var enabled: Bool {
    get { unsafe own.shared.options.enabled }
    set { unsafe editOptions().options.enabled = newValue }
  }
}
