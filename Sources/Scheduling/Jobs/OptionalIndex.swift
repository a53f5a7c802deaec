import JobModel

/// A position in a table, with a type of its own, so that no two tables are mixed up.
protocol TableIndex: Sendable, Hashable {
  /// Not negative.
  var position: Int32 { get }
  init(position: Int32)
}

/// An index or none in four bytes, where an optional takes eight: for tables with an entry for each of very many
/// schedules.
///
///     @OptionalIndex var base: JobIndex?
///
/// Indices are not negative; −1 is none, and nobody but this type sees it.
@propertyWrapper
struct OptionalIndex<Index: TableIndex>: Sendable, Equatable {
  private var bits: Int32

  init(wrappedValue: Index?) { bits = wrappedValue?.position ?? -1 }

  var wrappedValue: Index? {
    @inline(__always) get { bits < 0 ? nil : Index(position: bits) }
    @inline(__always) set { bits = newValue?.position ?? -1 }
  }
}

extension TableIndex {
  /// For arrays.
  @inline(__always) var offset: Int { Int(position) }
}

extension Int32: TableIndex {
  @inline(__always) var position: Int32 { self }
  @inline(__always) init(position: Int32) { self = position }
}

extension JobIndex: TableIndex {
  @inline(__always) init(position: Int32) { self.init(Int(position)) }
}
