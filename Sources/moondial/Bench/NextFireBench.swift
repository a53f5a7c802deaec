internal import HostModules
import Chronology
import ScriptLoading
import ScriptRuntime
import Triggers

/// `next`: the mean processor time of computing one fire time after another: of four cron expressions on the clocks of
/// two zones, and of every other kind of trigger in Berlin.
enum NextFireBench {
  private static let expressions = [
    ("* * * * *", "* * * * *"), ("*/5 9-17 * * mon-fri", "*/5 9-17 * * mon-fri"), ("0 0 29 2 *", "0 0 29 2 *"),
    ("30 2 last-sun", "30 2 * * 0L"),
  ]
  private static let kinds = [
    ("rrule daily", #"rrule "FREQ=DAILY""#),
    ("rrule every 3 days", #"rrule("FREQ=DAILY;INTERVAL=3", { start_date = "2026-01-01 09:00" })"#),
    ("rrule last friday", #"rrule "FREQ=MONTHLY;BYDAY=-1FR""#),
    ("rrule last working day", #"rrule "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1""#),
    ("rrule monday of week 20", #"rrule "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO""#),
    ("rrule 20 minutes", #"rrule("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11", { start_date = "2026-01-05" })"#),
    ("on_calendar", #"on_calendar "Mon..Fri 09:00""#), ("on_calendar last days", #"on_calendar "Mon *-05~07/1 09:00""#),
    ("every", #"every("90s", { start_date = "2026-01-01" })"#),
    ("calendar", #"calendar { months = 2, day = 31, hour = 6, start_date = "2026-01-01" }"#),
    ("workdays 2nd", #"workdays("2nd", { hour = 9 })"#),
    (
      "workdays with holidays",
      #"workdays("last", { calendar = calendar_of { dates = { "2026-12-24..2026-12-31" } } })"#
    ),
    ("calendar_of", #"calendar_of { weekdays = "sat,sun", dates = { "2026-12-24..2026-12-31" } }"#),
    ("except calendar", #"except(cron "0 9 * * *", calendar_of { weekdays = "sat,sun" })"#),
    ("only calendar", #"only(cron "0 9 1 * *", calendar_of { weekdays = "mon-fri" })"#),
    ("shift next", #"shift(cron "0 9 1 * *", calendar_of { weekdays = "sat,sun" }, "next")"#),
    ("sunrise", #"solar("sunrise", { latitude = 52.52, longitude = 13.405 })"#),
    ("sunset 78 north", #"solar("sunset", { latitude = 78.22, longitude = 15.65 })"#),
    ("nautical dawn", #"solar("dawn", { latitude = 52.52, longitude = 13.405, depression = "nautical" })"#),
    ("noon", #"solar("noon", { latitude = 52.52, longitude = 13.405 })"#), ("full moon", #"lunar "full""#),
    ("any_of", #"any_of { cron "0 3 * * *", every("6h", { start_date = "2026-01-01" }) }"#),
    ("bounded", #"cron("0 3 * * *", { start_date = "2026-01-01", end_date = "2120-01-01" })"#),
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
      let host = try LuaHost(services: .unwired, declareModules: DeclareModules.modules)
      evaluator = try ExpressionEvaluator(runtime: host.runtime, zones: zones)
      for (label, zoneName) in [("UTC", "UTC"), ("Berlin", "Europe/Berlin")] {
        let zone = try zones.zone(named: zoneName)
        for (name, expression) in expressions {
          costs.set("\(label)|\(name)", cost(of: try evaluator.trigger(expression, zone: zone).trigger))
        }
      }
      let berlin = try zones.zone(named: "Europe/Berlin")
      for (name, expression) in kinds {
        costs.set("Berlin|\(name)", cost(of: try evaluator.trigger(expression, zone: berlin).trigger))
      }
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
