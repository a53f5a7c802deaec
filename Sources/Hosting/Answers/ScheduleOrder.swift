/// A dynamic schedule that somebody asks for. Exactly one of `at`, `every`, `cron` and `trigger` says when.
package struct ScheduleOrder: Sendable, Codable, Equatable {
  package var job: String
  /// nil: the host makes one.
  package var id: String?
  /// Whether a schedule that has this id gives way.
  package var replaceExisting: Bool?
  /// A time, such as `2027-01-01 00:00`, in the host's zone where it names none.
  package var at: String?
  /// A duration, such as `90s`.
  package var every: String?
  /// Five or six fields.
  package var cron: String?
  /// A trigger in Lua, such as `calendar { months = 1 }`.
  package var trigger: String?
  /// Of `cron` and `at`; nil: the job's.
  package var timeZone: String?
  /// An object; over the job's own.
  package var params: JSONDocument?

  package init(job: String) { self.job = job }

  private enum CodingKeys: String, CodingKey {
    case job, id, at, every, cron, trigger, params
    case replaceExisting = "replace_existing"
    case timeZone = "timezone"
  }
}
