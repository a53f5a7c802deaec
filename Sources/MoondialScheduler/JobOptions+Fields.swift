internal import Chronology
internal import FoundationEssentials
internal import JobModel
internal import Lua
internal import ScriptLoading

/// Options as the fields of a Lua job: one table of names, one decoder, one set of messages for both.
extension JobOptions {
  /// What is said, as fields. `params` go another way: their text is kept as it is.
  var fields: [(key: String, value: LuaValue)] {
    var fields: [(key: String, value: LuaValue)] = []
    func set(_ field: JobField, _ value: LuaValue?) {
      if let value { fields.append((field.rawValue, value)) }
    }
    set(.description, description.map { .text($0) })
    set(.tags, tags.map { .texts($0) })
    set(.timezone, timezone.map { .text($0) })
    set(.startDate, startDate.map { .text(Instant($0).description) })
    set(.endDate, endDate.map { .text(Instant($0).description) })
    set(.jitter, jitter.map { .text($0.text) })
    set(.limit, limit.map { .integer(Int64($0)) })
    set(.runAtStart, runAtStart.map { .bool($0) })
    set(.on, on.map { .texts($0) })
    set(.after, after?.value)
    set(.debounce, debounce.map { .text($0.text) })
    set(.watch, watch?.value)
    set(.coalesce, coalesce.map { .text($0.rawValue) })
    set(.catchUpMax, catchUpMax.map { .integer(Int64($0)) })
    set(.misfireGraceTime, misfireGraceTime.map { .text($0.text) })
    set(.maxInstances, maxInstances.map { .integer(Int64($0)) })
    set(.overlap, overlap.map { .text($0.rawValue) })
    set(.priority, priority.map { .integer(Int64($0)) })
    set(.timeout, timeout.map { .text($0.text) })
    set(.retry, retry?.value)
    set(.recover, recover.map { .bool($0) })
    set(.executor, executor.map { .text($0) })
    set(.store, store.map { .text($0) })
    set(.group, group.map { .text($0) })
    set(.rate, rate.map { .text($0) })
    set(.enabled, enabled.map { .bool($0) })
    return fields
  }

  /// Takes over a field that was read and checked as a part of `definition`. False when options have no such field.
  mutating func take(_ key: String, from definition: JobDefinition) -> Bool {
    switch JobField.named[key] {
    case .tags: tags = definition.tags
    case .timezone: timezone = definition.timeZone
    case .jitter: jitter = .nanoseconds(definition.jitter)
    case .runAtStart: runAtStart = definition.runAtStart
    case .debounce: debounce = definition.debounce.map { .nanoseconds($0) }
    case .coalesce: coalesce = Coalesce(definition.coalesce)
    case .catchUpMax: catchUpMax = definition.catchUpMax
    case .misfireGraceTime: misfireGraceTime = definition.misfireGraceTime.map { .nanoseconds($0) }
    case .maxInstances: maxInstances = definition.maxInstances
    case .overlap: overlap = Overlap(rawValue: definition.overlap.rawValue)
    case .priority: priority = definition.priority
    case .timeout: timeout = definition.timeout.map { .nanoseconds($0) }
    case .retry: retry = definition.retry.map { Retry($0) }
    case .recover: recover = definition.recover
    case .executor: executor = definition.executor
    case .store: store = definition.store
    case .group: group = definition.group
    case .rate: rate = definition.rate?.text
    case .enabled: enabled = definition.enabled
    default: return false
    }
    return true
  }
}

extension JobOptions.Coalesce {
  fileprivate init(_ policy: CoalescePolicy) {
    switch policy {
    case .latest: self = .latest
    case .earliest: self = .earliest
    case .all: self = .all
    }
  }
}

extension JobOptions.Retry {
  fileprivate init(_ policy: RetryPolicy) {
    self.init(
      max: policy.max, backoff: Backoff(rawValue: policy.backoff.rawValue)!, base: .nanoseconds(policy.base),
      cap: .nanoseconds(policy.cap), jitter: policy.jitter)
  }

  fileprivate var value: LuaValue {
    .table(
      LuaTable(fields: [
        ("max", .integer(Int64(max))), ("backoff", .text(backoff.rawValue)), ("base", .text(base.text)),
        ("cap", .text(Swift.max(cap, base).text)), ("jitter", .bool(jitter)),
      ]))
  }
}

extension LuaValue {
  static func text(_ text: String) -> LuaValue { .string(LuaString(text)) }
  static func texts(_ texts: [String]) -> LuaValue { .table(LuaTable(array: texts.map { .text($0) })) }
}
