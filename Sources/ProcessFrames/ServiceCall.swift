package import Chronology
package import JobModel
package import ScriptRuntime
internal import Triggers

/// What a run asks its host for.
package enum ServiceCall: Sendable {
  // `kv`, in the space of the run's script.
  case value(key: String, upTo: Int)
  case keys(prefix: String, limit: Int, upTo: Int)
  case change(key: String, value: JSONText?, expiresAt: Instant?, expecting: Int64?)
  // `jobs`
  case jobs
  case run(job: String, params: JSONText?)
  case schedule(WireSchedule)
  case unschedule(String)
  case pause(job: String, reason: String?)
  case resume(job: String)
  // `emit` and `wait`
  case emit(String, JSONText?)
  case subscribe(String)
  // What the host has and the worker has not.
  case module(String)
  case variable(String)
  case secret(String)
  case metric(MetricRegistry.Change)
  // What the run keeps: its own steps, whatever run they name.
  case steps
  case keep(RunStep)
  case commit(WireTransaction)
}

/// What a run changes together; also what is to be committed with its success. The space is the run's script, and so
/// the script's quota is the host's to add.
package struct WireTransaction: Sendable {
  package var keyValues: [KeyValueChange]
  /// nil: it is an outbox.
  package var step: RunStep?
  package var operations: [WireOperation]

  package init(_ transaction: RunTransaction, asking operations: [RunOperation]) {
    keyValues = transaction.keyValues
    step = transaction.step
    self.operations = operations.map { WireOperation($0) }
  }

  package init(_ outbox: RunOutbox) {
    keyValues = outbox.keyValues
    operations = outbox.operations.map { WireOperation($0) }
  }

  init(keyValues: [KeyValueChange], step: RunStep?, operations: [WireOperation]) {
    self.keyValues = keyValues
    self.step = step
    self.operations = operations
  }
}

/// A `RunOperation` with its trigger as text.
package enum WireOperation: Sendable {
  case emit(String, data: JSONText?)
  case run(String, params: JSONText?)
  case schedule(WireSchedule)
  case unschedule(String)

  package init(_ operation: RunOperation) {
    self =
      switch operation {
      case .emit(let name, let data): .emit(name, data: data)
      case .run(let job, let params): .run(job, params: params)
      case .schedule(let request): .schedule(WireSchedule(request))
      case .unschedule(let id): .unschedule(id)
      }
  }
}

/// A dynamic schedule that is asked for; its trigger as text.
package struct WireSchedule: Sendable {
  package var job: String
  package var id: String?
  package var replaceExisting: Bool
  package var trigger: String
  package var options: ScheduleOptions

  package init(_ request: ScheduleRequest) {
    job = request.job
    id = request.id
    replaceExisting = request.replaceExisting
    trigger = request.trigger.text
    options = request.options
  }
}

/// What the host answers.
package enum ServiceAnswer: Sendable {
  case done
  /// `nil, message`, or an error where it names something that does not exist.
  case refused(HostRefusal)
  case storeFailed(StoreError)
  case value(Sized<KeyValue?>)
  case keys(Sized<[String]>)
  case changed(Bool)
  case jobs([JobSummary])
  case run(Int64)
  case schedule(String)
  case source([UInt8], chunkName: String)
  case text(String?)
  case secret(Secrets.Answer)
  case metric(MetricRegistry.Refusal?)
  case steps([RunStep])
  /// Others have changed what a transaction expected; nothing is committed.
  case conflict
}
