import Chronology
import Lua
import ScriptHost
import Triggers

/// `next`: the mean processor time of computing one fire time after another, of four expressions on the clocks of two
/// zones.
enum NextFireBench {
  private static let expressions = [
    ("* * * * *", "* * * * *"), ("*/5 9-17 * * mon-fri", "*/5 9-17 * * mon-fri"), ("0 0 29 2 *", "0 0 29 2 *"),
    ("30 2 last-sun", "30 2 * * 0L"),
  ]
  /// 2026-01-01T00:00:00Z.
  private static let start = Instant(nanoseconds: 1_767_225_600_000_000_000)
  /// Past this, in 2090, a chain begins again.
  private static let end = Instant(nanoseconds: 3_786_912_000_000_000_000)

  static func run() throws -> JSONObject {
    let zones = TimeZoneDatabase()
    let evaluator: ExpressionEvaluator
    var costs = JSONObject()
    var notes = JSONObject()
    do {
      let host = try LuaHost(services: HostServices(), declareModules: DeclareModules.modules)
      evaluator = try ExpressionEvaluator(runtime: host.runtime, zones: zones)
      for (label, zoneName) in [("UTC", "UTC"), ("Berlin", "Europe/Berlin")] {
        let zone = try zones.zone(named: zoneName)
        for (name, expression) in expressions {
          costs.set("\(label)|\(name)", cost(of: try evaluator.trigger(expression, zone: zone).trigger))
        }
      }
      let berlin = try zones.zone(named: "Europe/Berlin")
      let nightly = try evaluator.trigger("30 2 * * *", zone: berlin).trigger
      for (label, noon) in [("gap", 1_774_695_600), ("overlap", 1_792_836_000)] {
        var instant = Instant(nanoseconds: Int64(noon) * 1_000_000_000)
        var fires: [String] = []
        for _ in 0..<3 {
          guard let next = nightly.next(after: instant) else { break }
          instant = next
          fires.append(JSONObject.quote(ISO8601.format(next, in: berlin)))
        }
        notes.set(label, json: JSONObject.array(fires))
      }
    } catch { throw CommandFailure("\(error)") }
    var result = JSONObject()
    result.set("ns", json: costs.json)
    result.set("note", json: notes.json)
    return result
  }

  /// Mean nanoseconds of processor time, over a quarter of a second.
  private static func cost(of trigger: AnyTrigger) -> Double {
    var instant = start
    var count = 0
    let begun = BenchClock.threadCPU
    while true {
      for _ in 0..<64 {
        instant = trigger.next(after: instant) ?? start
        if instant > end { instant = start }
      }
      count += 64
      let spent = BenchClock.threadCPU - begun
      if spent > 250_000_000 { return Double(spent) / Double(count) }
    }
  }
}
