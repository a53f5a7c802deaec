/// The constructors that scripts can call, in the order in which they are shown: the one table that knows all kinds of
/// triggers.
package enum ConstructorName: CaseIterable, Sendable {
  case cron, every, at, calendar
  case anyOf, allOf, except, startup, onCalendar
  case calendarOf, rrule, only, shift, workdays, solar, lunar

  /// What the name stands for.
  package var constructor: any TriggerConstructor.Type {
    switch self {
    case .cron: CronConstructor.self
    case .every: IntervalConstructor.self
    case .at: DateConstructor.self
    case .calendar: CalendarConstructor.self
    case .anyOf: AnyOfConstructor.self
    case .allOf: AllOfConstructor.self
    case .except: ExceptConstructor.self
    case .startup: StartupConstructor.self
    case .onCalendar: OnCalendarConstructor.self
    case .calendarOf: CalendarOfConstructor.self
    case .rrule: RecurrenceConstructor.self
    case .only: OnlyConstructor.self
    case .shift: ShiftConstructor.self
    case .workdays: WorkdayConstructor.self
    case .solar: SolarConstructor.self
    case .lunar: LunarConstructor.self
    }
  }

  /// What scripts call it: `any_of`.
  package var text: String { constructor.name }
}
