/// A dynamic schedule: one that code or an operator has added to those that its job declares.
package struct ScheduleAnswer: Sendable, Codable, Equatable {
  package var id: String
  package var job: String
  /// In words.
  package var trigger: String
  /// The Lua that makes its trigger.
  package var lua: String
  package var nextRunTime: HostTime?
  package var params: JSONDocument?
  package var running = 0
  /// Its job is not there.
  package var isOrphaned = false

  private enum CodingKeys: String, CodingKey {
    case id, job, trigger, lua, params, running
    case nextRunTime = "next_run_time"
    case isOrphaned = "orphaned"
  }

  package init(id: String, job: String, trigger: String, lua: String) {
    self.id = id
    self.job = job
    self.trigger = trigger
    self.lua = lua
  }
}

extension ScheduleAnswer {
  /// About how many bytes of text it has.
  var weight: Int {
    id.utf8.count + job.utf8.count + trigger.utf8.count + lua.utf8.count + (params?.text.utf8.count ?? 0)
  }
}

package struct SchedulesQuery: Sendable, Equatable {
  package var job: String?
  package var after: PageCursor?
  package var limit: Int

  package init(job: String? = nil, after: PageCursor? = nil, limit: Int = PageLimit.standard) {
    self.job = job
    self.after = after
    self.limit = limit
  }
}
