internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `time`: the clock, and times as text. A time is a number of seconds since 1970 (UTC), with fractions.
enum TimeModule {
  static func module() -> LuaModule {
    LuaModule("time", functions: [now, monotonic, format, parse, zones])
  }

  private static let now = LuaFunction.host("now", as: "time.now") { call, arguments throws(Misuse) in
    call.push(try arguments.run(call).services.wall.now.fractionalSeconds)
    return .results(1)
  }

  private static let monotonic = LuaFunction.host("monotonic", as: "time.monotonic") { call, arguments throws(Misuse) in
    call.push(Double(try arguments.run(call).services.monotonic.now.nanoseconds) / 1e9)
    return .results(1)
  }

  /// `time.format(seconds, { zone =, format = })`; without a time it is now.
  private static let format = LuaFunction.host("format", as: "time.format") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    var instant = run.services.wall.now
    if !call.isNil(1) {
      let seconds = try arguments.number(call, 1, "a time")
      guard let given = Instant(fractionalSeconds: seconds) else { throw arguments.misuse("\(seconds) is not a time") }
      instant = given
    }
    let options = try arguments.options(call, 2, ["zone", "format"])
    let zone = try zone(named: try options.string("zone"), run, arguments)
    if let pattern = try options.string("format") {
      switch TimePattern.format(instant, in: zone, pattern) {
      case .success(let text): call.push(text)
      case .failure(let refusal): throw arguments.misuse(refusal.message)
      }
    } else {
      call.push(ISO8601.format(instant, in: zone))
    }
    return .results(1)
  }

  /// `time.parse(text, { zone = })`: seconds, or nil and why not.
  private static let parse = LuaFunction.host("parse", as: "time.parse") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let text = try arguments.string(call, 1, "a time as ISO 8601 text")
    let options = try arguments.options(call, 2, ["zone"])
    let zone = try zone(named: try options.string("zone"), run, arguments)
    do throws(TimeTextError) {
      call.push(try ISO8601.parse(text).instant(in: zone).fractionalSeconds)
      return .results(1)
    } catch {
      call.pushNil()
      call.push(error.message)
      return .results(2)
    }
  }

  private static let zones = LuaFunction.host("zones", as: "time.zones") { call, arguments throws(Misuse) in
    let names = try arguments.run(call).services.zones.names
    call.push(.table(LuaTable(array: names.map { .string(LuaString($0)) })))
    return .results(1)
  }

  /// The zone asked for, or the job's.
  private static func zone(
    named name: String?, _ run: RunContext, _ arguments: Arguments
  ) throws(Misuse) -> TimeZoneRules {
    do {
      return try run.services.zones.zone(named: name ?? run.definition.timeZone)
    } catch {
      throw arguments.misuse(error.message)
    }
  }
}

/// Dates by pattern, with the letters of `strftime` (English names, whatever the locale).
enum TimePattern {
  private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]

  /// `pattern` with each `%` letter replaced. `%N` is the nanosecond, `%L` the millisecond.
  static func format(_ instant: Instant, in zone: TimeZoneRules, _ pattern: String) -> Result<String, HostRefusal> {
    let civil = zone.civilTime(at: instant)
    let offset = zone.offset(at: instant)
    var result = ""
    var letters = pattern.makeIterator()
    while let letter = letters.next() {
      guard letter == "%" else {
        result.append(letter)
        continue
      }
      guard let code = letters.next() else {
        return .failure(HostRefusal("the pattern \"\(pattern)\" ends in a lone %: write %% for a percent sign"))
      }
      guard let text = field(code, civil, offset, instant) else {
        return .failure(
          HostRefusal(
            "%\(code) in \"\(pattern)\" is not known: use Y m d e H I M S p L N j a A b B y F T z s u w V G or %"))
      }
      result += text
    }
    return .success(result)
  }

  private static func field(_ code: Character, _ civil: CivilDateTime, _ offset: Int, _ instant: Instant) -> String? {
    let date = civil.date
    let hour12 = (civil.hour + 11) % 12 + 1
    switch code {
    case "Y": return padded(date.year, 4)
    case "y": return padded((date.year % 100 + 100) % 100, 2)
    case "m": return padded(date.month, 2)
    case "d": return padded(date.day, 2)
    case "e": return padded(date.day, 2, with: " ")
    case "H": return padded(civil.hour, 2)
    case "I": return padded(hour12, 2)
    case "M": return padded(civil.minute, 2)
    case "S": return padded(civil.second, 2)
    case "p": return civil.hour < 12 ? "AM" : "PM"
    case "L": return padded(Int(instant.subsecondNanoseconds) / 1_000_000, 3)
    case "N": return padded(Int(instant.subsecondNanoseconds), 9)
    case "j":
      return padded(
        date.daysSinceEpoch - CivilDate(year: date.year, month: 1, day: 1).daysSinceEpoch + 1, 3)
    case "a": return String(weekdays[date.weekday].prefix(3))
    case "A": return weekdays[date.weekday]
    case "b", "h": return String(months[date.month - 1].prefix(3))
    case "B": return months[date.month - 1]
    case "F": return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
    case "T": return "\(padded(civil.hour, 2)):\(padded(civil.minute, 2)):\(padded(civil.second, 2))"
    case "z":
      let minutes = Int(offset.magnitude) / 60
      return "\(offset < 0 ? "-" : "+")\(padded(minutes / 60, 2))\(padded(minutes % 60, 2))"
    case "s": return String(instant.wholeSeconds)
    case "u": return String(date.weekday == 0 ? 7 : date.weekday)
    case "w": return String(date.weekday)
    case "V": return padded(date.isoWeek.week, 2)
    case "G": return padded(date.isoWeek.year, 4)
    case "%": return "%"
    default: return nil
    }
  }

  private static func padded(_ number: Int, _ width: Int, with filler: Character = "0") -> String {
    let digits = String(number.magnitude)
    let filled = String(repeating: filler, count: max(0, width - digits.count)) + digits
    return number < 0 ? "-" + filled : filled
  }
}
