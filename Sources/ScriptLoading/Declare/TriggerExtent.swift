package import Lua

/// How much there is in a trigger value. What several parts share is counted as often as it is named, because that is
/// how often it is written, compared and asked.
///
///     TriggerExtent(of: [.string("0 3 * * *")])      // 2 parts: the call and its text
package struct TriggerExtent: Sendable, Equatable {
  /// Calls of constructors, tables, and the values in them.
  package var parts = 1
  /// Bytes of its texts.
  package var bytes = 0
  /// Constructors inside one another: 1 for `every "1h"`.
  package var depth = 1

  /// The most that one trigger may have.
  package static let most = TriggerExtent(parts: 10_000, bytes: 256 << 10, depth: 32)
  /// What each calendar file counts: its days take as much memory as so many parts.
  private static let partsPerFile = 100

  private init(parts: Int, bytes: Int, depth: Int) {
    self.parts = parts
    self.bytes = bytes
    self.depth = depth
  }

  /// Of a call with these arguments.
  package init(of arguments: [LuaValue]) { for argument in arguments { add(argument) } }

  /// Of several triggers together, in none of which any one is.
  package init(sumOf extents: some Sequence<TriggerExtent>) {
    self.init(parts: 0, bytes: 0, depth: 0)
    for extent in extents { add(extent, under: 0) }
  }

  private mutating func add(_ value: LuaValue) {
    switch value {
    case .string(let text):
      parts = parts.addingCapped(text.bytes.suffix(4) == [0x2E, 0x69, 0x63, 0x73] ? TriggerExtent.partsPerFile : 1)
      bytes = bytes.addingCapped(text.bytes.count)
    case .object(let object):
      if let specification = object as? TriggerSpecification {
        add(specification.extent, under: 1)
      } else {
        parts = parts.addingCapped(1)
      }
    case .table(let table):
      parts = parts.addingCapped(1)
      for item in table.array { add(item) }
      for field in table.fields {
        bytes = bytes.addingCapped(field.key.utf8.count)
        add(field.value)
      }
      for other in table.others { add(other.value) }
    default:
      parts = parts.addingCapped(1)
    }
  }

  private mutating func add(_ other: TriggerExtent, under levels: Int) {
    parts = parts.addingCapped(other.parts)
    bytes = bytes.addingCapped(other.bytes)
    depth = max(depth, other.depth.addingCapped(levels))
  }

  /// Why a trigger cannot be that large; nil when it can.
  package var complaint: String? {
    if depth > TriggerExtent.most.depth {
      return "triggers are inside one another \(depth) deep; at most \(TriggerExtent.most.depth) are allowed"
    }
    if parts > TriggerExtent.most.parts {
      return "it has \(parts) parts; a trigger may have \(TriggerExtent.most.parts): give the times to several jobs"
    }
    if bytes > TriggerExtent.most.bytes {
      return "its texts have \(bytes) bytes; those of a trigger may have \(TriggerExtent.most.bytes)"
    }
    return nil
  }
}

extension Int {
  fileprivate func addingCapped(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
