package import Chronology

/// An instant or none in one word, where an optional takes two: for tables with an entry for each of very many
/// schedules.
///
///     @Packed var nextFire: Instant?
///
/// `Instant.distantPast` reads as none. It is no fire time, since those come after some other instant, and no anchor of
/// one.
@propertyWrapper
package struct Packed: Sendable, Equatable {
  @usableFromInline var nanoseconds: Int64

  @inlinable package init(wrappedValue: Instant?) { nanoseconds = wrappedValue?.nanoseconds ?? .min }

  @inlinable package var wrappedValue: Instant? {
    get { nanoseconds == .min ? nil : Instant(nanoseconds: nanoseconds) }
    set { nanoseconds = newValue?.nanoseconds ?? .min }
  }
}
