package import Chronology
package import JobModel
package import Lua
internal import Triggers

/// What scripts are declared against: the names they may use, the host's defaults, and the present.
///
/// One object serves all scripts of one load, so that equal triggers, names and option texts of all their jobs are one
/// object. Not thread-safe: it belongs to the thread that loads.
package final class DeclareEnvironment {
  package let zones: TimeZoneDatabase
  /// The zone of jobs that name none: the host's.
  package let zone: TimeZoneRules
  /// Names of configured executors and stores, sorted.
  package let executors: [String]
  package let stores: [String]
  /// Those of the executors whose runs are in processes of their own.
  let processExecutors: Set<String>
  /// Whether some executor gives scripts the libraries of the `lua` program: then what is not here may be there.
  let hasAllLibraries: Bool
  /// Labels of this host. nil: jobs may ask for any.
  package let labels: [String]?
  /// Stores by which other hosts may be given runs.
  let placingStores: Set<String>
  /// Names of configured groups, sorted.
  package let groups: [String]
  /// `job_defaults` of the host, decoded before.
  package let hostDefaults: LuaTable
  /// Where calendar files are read; `nil` where scripts have none.
  package let calendars: CalendarLibrary?
  /// How large what scripts ask for may be.
  package let quotas: Quotas
  /// For notes about times that are over.
  package let now: Instant

  /// When the script at hand must have loaded.
  var deadline: WorkDeadline?
  package let quota: DeclareQuota

  var strings = StringPool()
  var triggers = TriggerCache()
  var fields = FieldMemory()

  package init(
    zones: TimeZoneDatabase, zone: TimeZoneRules = .utc, executors: [String] = ["default"],
    stores: [String] = ["default"], groups: [String] = [], hostDefaults: LuaTable = LuaTable(),
    calendars: CalendarLibrary? = nil, quotas: Quotas = Quotas(),
    now: Instant, quota: DeclareQuota? = nil, processExecutors: Set<String> = [], hasAllLibraries: Bool = false,
    labels: [String]? = nil, placingStores: Set<String> = []
  ) {
    self.labels = labels
    self.placingStores = placingStores
    self.zones = zones
    self.zone = zone
    self.executors = executors.sorted()
    self.processExecutors = processExecutors
    self.hasAllLibraries = hasAllLibraries
    self.stores = stores.sorted()
    self.groups = groups.sorted()
    self.hostDefaults = hostDefaults
    self.calendars = calendars
    self.quotas = quotas
    self.now = now
    self.quota = quota ?? DeclareQuota(quotas)
  }
}

/// Which fields the names of the last table were. Jobs of a loop have the same names in the same order, so that each is
/// one comparison of 16 bytes instead of a hash.
struct FieldMemory {
  private var last: [(name: String, field: JobField)] = []

  /// The field called `name`, which stands at `position` of its table.
  mutating func field(named name: String, at position: Int) -> JobField? {
    if position < last.count, last[position].name == name { return last[position].field }
    guard let field = JobField.named[name] else { return nil }
    if position < last.count {
      last[position] = (name, field)
    } else if position == last.count {
      last.append((name, field))
    }
    return field
  }
}

/// Hands out one copy of equal strings. Only texts that do not fit into a `String` value itself (15 bytes) are worth
/// keeping.
struct StringPool {
  private var strings: Set<String> = []
  private var lists: Set<[String]> = []

  mutating func shared(_ text: String) -> String {
    text.utf8.count <= 15 ? text : strings.insert(text).memberAfterInsert
  }

  mutating func shared(_ list: [String]) -> [String] {
    list.isEmpty ? [] : lists.insert(list).memberAfterInsert
  }
}
