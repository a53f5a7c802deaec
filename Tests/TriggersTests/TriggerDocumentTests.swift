import Chronology
import Foundation
import Testing

@testable import Triggers

/// The tables of `docs/triggers.md`.
enum TriggerDocument {
  static let document = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../docs/triggers.md").standardizedFileURL

  struct Row: CustomTestStringConvertible, Sendable {
    let header: [String]
    let cells: [String]
    let line: Int
    var testDescription: String { "line \(line): \(cells[0])" }
    /// The code between the first and the last backquote of the first cell.
    var trigger: String { String(cells[0].drop { $0 != "`" }.dropFirst().prefix { $0 != "`" }) }
  }

  /// The rows of all tables whose header begins with these cells. A table without rows, or a file that is not there, is
  /// a failure.
  static func rows(under header: [String]) -> [Row] {
    guard let text = try? String(contentsOf: document, encoding: .utf8) else { return [] }
    var rows: [Row] = []
    var current: [String]?
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      guard line.hasPrefix("|") else {
        current = nil
        continue
      }
      let cells = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
        .map { $0.trimmingCharacters(in: .whitespaces) }
      if current == nil {
        current = cells
      } else if current == header, !cells[0].hasPrefix("--") {
        rows.append(Row(header: header, cells: cells, line: index + 1))
      }
    }
    return rows
  }

  static let fires = rows(under: ["Trigger", "Zone", "After", "Fires"])
  static let words = rows(under: ["Trigger", "Says itself as"])
  static let constructors = rows(under: ["Constructor", "Fires", "Example"])
  static let refusals = rows(under: ["Trigger", "Message"])
}

/// Runs every table of `docs/triggers.md` that has a trigger in its first column.
@Suite("What docs/triggers.md says is what happens")
struct TriggerDocumentTests {
  private let zones = TimeZoneDatabase()

  private func context(_ zone: String) throws -> TriggerContext {
    TriggerContext(
      zones: zones, zone: try zones.zone(named: zone), now: try ISO8601.parse("2026-11-22T15:30:00Z").instant(in: .utc))
  }

  @Test("there are tables")
  func tables() {
    #expect(TriggerDocument.fires.count > 60)
    #expect(TriggerDocument.words.count > 10)
    #expect(TriggerDocument.refusals.count > 30)
  }

  @Test("the first table has one row a constructor, with its own words")
  func constructors() {
    let expected = ConstructorName.allCases.map { $0.constructor }.map {
      ["`\($0.name)`", $0.summary, "`\($0.example)`"]
    }
    #expect(TriggerDocument.constructors.map(\.cells) == expected)
  }

  @Test("the example of each constructor makes a trigger of it", arguments: ConstructorName.allCases)
  func examples(constructor: ConstructorName) throws {
    let trigger = try TriggerText.parse(constructor.constructor.example, context: context("Europe/Berlin")).trigger
    #expect(trigger.lua.hasPrefix(constructor.text))
    #expect(trigger.firesAtStart || trigger.nextFire(after: .epoch).instant != nil)
  }

  @Test("each constructor has fire times and words in the tables", arguments: ConstructorName.allCases)
  func isShown(constructor: ConstructorName) throws {
    func names(_ rows: [TriggerDocument.Row]) -> Set<Substring> {
      Set(rows.map { $0.trigger.prefix { $0.isLetter || $0 == "_" } })
    }
    let name = Substring(constructor.text)
    #expect(names(TriggerDocument.fires).contains(name), "docs/triggers.md: no row says when \(name) fires")
    #expect(names(TriggerDocument.words).contains(name), "docs/triggers.md: no row says \(name) in words")
  }

  @Test("fire times", arguments: TriggerDocument.fires)
  func fireTimes(row: TriggerDocument.Row) throws {
    let zone = try zones.zone(named: row.cells[1])
    var context = try context(row.cells[1])
    context.now = nil
    var instant = try ISO8601.parse(row.cells[2]).instant(in: zone)
    let trigger = try TriggerText.parse(row.trigger, context: context).trigger.anchored(at: instant)
    for expected in row.cells[3].split(separator: ",").map({ $0.trimmingCharacters(in: .whitespaces) }) {
      let next = trigger.next(after: instant)
      #expect((next.map { ISO8601.format($0, in: zone) } ?? "end") == expected)
      instant = next ?? .distantFuture
    }
  }

  @Test("words", arguments: TriggerDocument.words)
  func sentences(row: TriggerDocument.Row) throws {
    let trigger = try TriggerText.parse(row.trigger, context: context("Europe/Berlin")).trigger
    #expect(trigger.description == row.cells[1])
  }

  @Test("refusals", arguments: TriggerDocument.refusals)
  func messages(row: TriggerDocument.Row) throws {
    do {
      _ = try TriggerText.parse(row.trigger, context: context("Europe/Berlin"))
      Issue.record("\(row.trigger) was accepted")
    } catch {
      #expect("\(error)" == row.cells[1])
    }
  }
}
