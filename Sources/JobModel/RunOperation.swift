/// What a transaction asks of the scheduler. It is done after the commit, once, in the order of asking.
package enum RunOperation: Sendable {
  case emit(String, data: JSONText?)
  case run(String, params: JSONText?)
  case schedule(ScheduleRequest)
  case unschedule(String)

  /// As messages name it.
  package var words: String {
    switch self {
    case .emit(let name, _): "emit(\"\(name)\")"
    case .run(let job, _): "run(\"\(job)\")"
    case .schedule(let request): "schedule(\"\(request.job)\")"
    case .unschedule(let id): "unschedule(\"\(id)\")"
    }
  }

  /// About how many bytes its texts have.
  package var textBytes: Int {
    switch self {
    case .emit(let name, let data): name.utf8.count + (data?.text.utf8.count ?? 0)
    case .run(let job, let params): job.utf8.count + (params?.text.utf8.count ?? 0)
    case .schedule(let request): request.job.utf8.count + (request.options.params?.text.utf8.count ?? 0) + 256
    case .unschedule(let id): id.utf8.count
    }
  }
}
