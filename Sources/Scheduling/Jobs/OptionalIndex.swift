/// An index or none in four bytes, where an optional takes eight: for tables with an entry for each of very many
/// schedules.
///
///     @OptionalIndex var base: Int32?
///
/// Indices are not negative; −1 is none, and nobody but this type sees it.
@propertyWrapper
package struct OptionalIndex: Sendable, Equatable {
  private var bits: Int32

  package init(wrappedValue: Int32?) { bits = wrappedValue ?? -1 }

  package var wrappedValue: Int32? {
    @inline(__always) get { bits < 0 ? nil : bits }
    @inline(__always) set { bits = newValue ?? -1 }
  }
}
