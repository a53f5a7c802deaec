package import Triggers

/// What a script (or a Swift program) declares about one job: pure values, checked when it was built.
///
///     var definition = JobDefinition(name: "sweep", source: here, payload: payload)
///     definition.timeout = 60_000_000_000        // an option, see DefinitionOptions
///
/// One word wide and copied on write: the loader, the scheduler's table and every order of a run share one object. Its
/// options are read and written as if they were its own, but equal ones of many jobs can be one object as well. Equal
/// definitions with a payload that does not differ are the same job, and a reload leaves it alone.
///
/// - Complexity: a copy is one reference; the first change of a shared definition copies about 100 bytes, of shared
///   options 300.
package struct JobDefinition: Sendable {
  @usableFromInline var own: Own

  package init(name: String, source: SourceLocation, payload: any JobPayload) {
    own = Own(name: name, source: source, payload: payload)
  }

  /// Unique among all jobs of a host.
  @inlinable package var name: String {
    get { unsafe own.name }
    set { unsafe edit().name = newValue }
  }

  @inlinable package var source: SourceLocation {
    get { unsafe own.source }
    set { unsafe edit().source = newValue }
  }

  /// All time triggers of the job as one; nil when it runs only on events, after others or when asked.
  @inlinable package var trigger: AnyTrigger? {
    get { unsafe own.trigger }
    set { unsafe edit().trigger = newValue }
  }

  /// What its runs are given unless somebody gives them something else.
  @inlinable package var params: JSONText? {
    get { unsafe own.params }
    set { unsafe edit().params = newValue }
  }

  @inlinable package var payload: any JobPayload {
    get { unsafe own.payload }
    set { unsafe edit().payload = newValue }
  }

  /// Everything else. Reading one option is cheaper by its own name than through this copy.
  @inlinable package var options: DefinitionOptions {
    get { unsafe own.shared.options }
    set { unsafe editOptions().options = newValue }
  }

  /// Keeps its options in one object with those of `other` if they are equal. O(options) when they are not one already.
  package mutating func shareOptions(with other: JobDefinition) {
    let (mine, theirs) = unsafe (own.shared, other.own.shared)
    if mine !== theirs, unsafe mine.options == theirs.options { unsafe edit().shared = theirs }
  }

  /// Whether the two are one object, so that there is nothing to compare. O(1).
  package func isSame(as other: JobDefinition) -> Bool { own === other.own }

  /// Whether everything but the payload and the place in the source is equal.
  package func hasSameOptions(as other: JobDefinition) -> Bool {
    if own === other.own { return true }
    guard name == other.name, trigger == other.trigger, params == other.params else { return false }
    let (mine, theirs) = unsafe (own.shared, other.own.shared)
    return unsafe mine === theirs || mine.options == theirs.options
  }

  /// Whether its fire times are the same: then the next fire time survives a reload.
  package func hasSameSchedule(as other: JobDefinition) -> Bool {
    trigger == other.trigger && jitter == other.jitter && limit == other.limit
      && runAtStart == other.runAtStart && timeZone == other.timeZone
  }

  // MARK: Storage

  @usableFromInline mutating func edit() -> Own {
    if !isKnownUniquelyReferenced(&own) { own = Own(own) }
    return own
  }

  @usableFromInline mutating func editOptions() -> Shared {
    let own = edit()
    if unsafe !isKnownUniquelyReferenced(&own.shared) { unsafe own.shared = Shared(own.shared.options) }
    return unsafe own.shared
  }

  /// What a job has for itself.
  @usableFromInline final class Own: @unchecked Sendable {
    // `@unchecked`: changed only through `edit()`, by the one definition that holds it; who shares it reads it. That
    // also is the proof for each `unsafe` above and below: no access can overlap a change, so none is checked for it at
    // run time.
    @exclusivity(unchecked) @usableFromInline var name: String
    @exclusivity(unchecked) @usableFromInline var source: SourceLocation
    @exclusivity(unchecked) @usableFromInline var trigger: AnyTrigger?
    @exclusivity(unchecked) @usableFromInline var params: JSONText?
    @exclusivity(unchecked) @usableFromInline var payload: any JobPayload
    @exclusivity(unchecked) @usableFromInline var shared: Shared

    init(name: String, source: SourceLocation, payload: any JobPayload) {
      unsafe self.name = name
      unsafe self.source = source
      unsafe self.payload = payload
      unsafe shared = Shared.plain
    }

    init(_ other: Own) {
      unsafe name = other.name
      unsafe source = other.source
      unsafe trigger = other.trigger
      unsafe params = other.params
      unsafe payload = other.payload
      unsafe shared = other.shared
    }
  }

  /// The options of one job or of many.
  @usableFromInline final class Shared: @unchecked Sendable {
    // `@unchecked`: as `Own`, through `editOptions()`.
    @exclusivity(unchecked) @usableFromInline var options: DefinitionOptions

    init(_ options: DefinitionOptions) { unsafe self.options = options }

    /// Those of a job about which nothing was said.
    static let plain = Shared(DefinitionOptions())
  }
}

/// The definition of a job in force: what the scheduler's table holds, and what each order of a run leads to. One word.
package struct JobEntry: Sendable {
  package let definition: JobDefinition
  package init(_ definition: JobDefinition) { self.definition = definition }
}
