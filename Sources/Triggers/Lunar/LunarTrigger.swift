package import Chronology

/// Fires when the moon is new, full or half, or some time before or after: everywhere on earth at the same instant.
///
///     LunarTrigger(.full).next(after: christmasOf2026)      // 2027-01-22T12:17:18Z
package final class LunarTrigger: PlainTriggerKind {
  /// A phase of the moon.
  enum Phase: String, Sendable, Hashable, CaseIterable {
    case new
    case firstQuarter = "first_quarter"
    case full
    case lastQuarter = "last_quarter"

    /// The part of a lunation that is over.
    var fraction: Double {
      switch self {
      case .new: 0
      case .firstQuarter: 0.25
      case .full: 0.5
      case .lastQuarter: 0.75
      }
    }
  }

  let phase: Phase
  /// Nanoseconds after the phase; negative is before.
  let offset: Int64
  private let phases: MoonPhases

  init(_ phase: Phase, offset: Int64 = 0) {
    self.phase = phase
    self.offset = offset
    phases = MoonPhases(phase: phase)
  }

  /// - Complexity: O(1): about half a microsecond. Does not allocate.
  package func next(after instant: Instant) -> Instant? {
    let second = Int(instant.advanced(byNanoseconds: -offset).wholeSeconds)
    return Sky.fire(at: phases.next(after: second), offset: offset, after: instant)
  }
}

extension LunarTrigger: Hashable {
  package static func == (left: LunarTrigger, right: LunarTrigger) -> Bool {
    left.phase == right.phase && left.offset == right.offset
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(phase)
    hasher.combine(offset)
  }
}

extension LunarTrigger {
  package var zones: [TimeZoneRules] { [] }

  /// `lunar "full"`, `lunar("new", { offset = "-1d" })`. The same everywhere.
  package func lua(_ form: LuaForm) -> String { lua(bounds: []) }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    lua(bounds: WrittenOptions.bounds(from: from, until: until, zone: nil))
  }

  private func lua(bounds: [(key: String, literal: String)]) -> String {
    let options = offset == 0 ? [] : [("offset", LuaText.quote(DurationText.format(nanoseconds: offset)))]
    return LuaText.call("lunar", LuaText.quote(phase.rawValue), options: options + bounds)
  }

  /// `At each full moon`, `1 day before each new moon`.
  package var explanation: String {
    let name =
      switch phase {
      case .new: "each new moon"
      case .full: "each full moon"
      case .firstQuarter: "each first quarter of the moon"
      case .lastQuarter: "each last quarter of the moon"
      }
    return EnglishText.offset(offset, from: name)
  }
}
