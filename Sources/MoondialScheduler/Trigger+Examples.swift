package import Triggers

extension Trigger {
  /// Each constructor that scripts have, as Swift writes it: a trigger for every row of the table of constructors,
  /// which tests hold against the table.
  ///
  /// The switch has no default, so a new constructor does not compile until Swift programs can write it as well.
  package static func example(of constructor: ConstructorName) throws(ParseError) -> Trigger {
    switch constructor {
    case .cron: try .cron("0 3 * * mon-fri")
    case .every: try .every(.seconds(90))
    case .at: try .at("2027-01-31 09:00")
    case .calendar: try .calendar(months: 1, hour: 6)
    case .anyOf: try .anyOf([.cron("0 3 * * *"), .every(.seconds(3600))])
    case .allOf: try .allOf([.cron("0 0 13 * *"), .cron("0 0 * * fri")])
    case .except: try .cron("0 9 * * mon-fri").except("2026-12-25", "2026-12-28..2026-12-31")
    case .startup: try .startup
    case .onCalendar: try .onCalendar("Mon..Fri 09:00")
    case .calendarOf: try .days("2026-12-25", weekdays: "sat,sun")
    case .rrule: try .rrule("FREQ=MONTHLY;BYDAY=-1FR", start: "2026-01-01 09:00")
    case .only: try .cron("0 * * * *").only(on: "mon-fri")
    case .shift: try .cron("0 9 1 * *").shifted(from: .days(weekdays: "sat,sun"), to: .next)
    case .workdays: try .workdays("2nd", hour: 9)
    case .solar: try .solar("sunset", latitude: 52.52, longitude: 13.405, offset: .seconds(-1800))
    case .lunar: try .lunar("full")
    }
  }
}
