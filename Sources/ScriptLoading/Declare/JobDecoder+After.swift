internal import JobModel
internal import Lua

/// Reads `after`: after whose runs a job runs, and after which of them.
extension JobDecoder {
  private static let example =
    "a job's name, a list of them, { job = \"x\", outcome = \"failed\" } or { all = { \"x\", \"y\" } }"

  mutating func applyAfter(_ value: LuaValue, to draft: inout JobDraft) {
    guard case .table(let table) = value, !table.fields.isEmpty else {
      guard let upstreams = upstreams(value) else { return }
      draft.definition.after = upstreams
      draft.definition.afterAll = []
      return
    }
    if let all = table.field("all") {
      guard table.array.isEmpty, table.fields.count == 1 else {
        return reading.complain("after.all stands alone, as in after = { all = { \"x\", \"y\" } }")
      }
      guard let names = reading.names("after.all", all, of: "a job's name") else { return }
      draft.definition.after = []
      draft.definition.afterAll = names
    } else if let upstream = upstream("after", table) {
      draft.definition.after = [upstream]
      draft.definition.afterAll = []
    }
  }

  /// A name, or a list of names and tables.
  private mutating func upstreams(_ value: LuaValue) -> [Upstream]? {
    switch value {
    case .string: return reading.names("after", value, of: "a job's name")?.map { Upstream($0) }
    case .table(let table) where table.isSequence:
      guard table.array.contains(where: { if case .table = $0 { true } else { false } }) else {
        return reading.names("after", value, of: "a job's name")?.map { Upstream($0) }
      }
      var found: [Upstream] = []
      for (position, item) in table.array.enumerated() {
        let name = "after[\(position + 1)]"
        let next: Upstream?
        if case .table(let fields) = item {
          next = upstream(name, fields)
        } else {
          next = reading.names(name, item, of: "a job's name")?.first.map { Upstream($0) }
        }
        guard let next else { return nil }
        if !found.contains(next) { found.append(next) }
      }
      return found
    default:
      reading.complain("after must be \(Self.example), not \(value.shown)")
      return nil
    }
  }

  /// `{ job = "x", outcome = "failed" }`.
  private mutating func upstream(_ name: String, _ table: LuaTable) -> Upstream? {
    let complaintsBefore = reading.complaints.count
    reading.namedKeysOnly(table, in: name)
    var upstream = Upstream("")
    for (key, value) in table.fields {
      switch key {
      case "job":
        if case .string(let text) = value, !text.bytes.isEmpty {
          upstream.job = text.text
        } else {
          reading.complain("\(name).job must be a job's name, not \(value.shown)")
        }
      case "outcome":
        upstream.trigger = reading.choice("\(name).outcome", value, Upstream.Trigger.self) ?? .succeeded
      default:
        let near = FieldReading.suggestion(for: key, among: ["job", "outcome", "all"])
        reading.complain(
          "unknown field \"\(name).\(key)\"\(near.isEmpty ? "; it has job and outcome, or all" : near)")
      }
    }
    if upstream.job.isEmpty, reading.complaints.count == complaintsBefore {
      reading.complain("\(name) names no job; write after = { job = \"x\", outcome = \"failed\" }")
    }
    return reading.complaints.count == complaintsBefore ? upstream : nil
  }
}
