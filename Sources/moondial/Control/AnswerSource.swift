import Chronology
import Hosting
import JobModel

/// Who tells about jobs and runs: a host that is up (``HostSource``), or the stores of one (``StoreSource``). Both give
/// the answers of the API, so that what a command shows of them is one piece of code.
protocol AnswerSource {
  /// In which times are shown.
  var zone: TimeZoneRules { get }
  /// Why everything is paused; nil: it is not.
  var pause: PauseInfo? { get }

  /// What is wrong with the scripts, as lines, and whether any of it is an error.
  func scriptProblems() throws -> (lines: [String], isError: Bool)
  func jobs(_ query: JobQuery) throws -> Page<JobAnswer>
  func schedules(_ query: SchedulesQuery) throws -> Page<ScheduleAnswer>
  func runs(_ query: RunsQuery) throws -> Page<RunAnswer>
  /// A run as a whole. Throws when there is none.
  func run(_ id: RunID) throws -> RunAnswer
  func log(of run: RunID, limit: Int) throws -> LogAnswer
  func explain(_ query: ExplainQuery) throws -> ExplainAnswer
}

extension AnswerSource {
  /// As people read it, in the zone of the source.
  func time(_ time: HostTime) -> String { TimeFormat.time(time.instant, in: zone) }

  /// All jobs that fit, page by page.
  func eachJob(_ query: JobQuery, _ body: (JobAnswer) throws -> Void) throws {
    var left = query.limit
    var query = query
    while left > 0 {
      query.limit = min(left, PageLimit.most)
      let page = try jobs(query)
      for job in page.items { try body(job) }
      left -= page.items.count
      guard let next = page.next else { return }
      query.after = next
    }
  }

  /// All dynamic schedules that fit.
  func allSchedules(of job: String? = nil) throws -> [ScheduleAnswer] {
    var query = SchedulesQuery(job: job, limit: PageLimit.most)
    var all: [ScheduleAnswer] = []
    while true {
      let page = try schedules(query)
      all += page.items
      guard let next = page.next else { return all }
      query.after = next
    }
  }

  /// The runs that fit, some at a time: a long history needs no memory.
  func eachPage(_ query: RunsQuery, _ body: ([RunAnswer]) throws -> Void) throws {
    var left = query.limit
    var query = query
    while left > 0 {
      query.limit = min(left, PageLimit.most)
      let page = try runs(query)
      if !page.items.isEmpty { try body(page.items) }
      left -= page.items.count
      guard let next = page.next else { return }
      query.after = next
    }
  }
}
