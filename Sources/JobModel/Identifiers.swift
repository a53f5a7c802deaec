internal import Basics
package import Chronology
internal import Triggers

/// Names one run of one job in one store, for ever.
///
/// Run ids are small whole numbers that a store hands out in rising order and never twice, not even after its history
/// was pruned: short enough to read aloud from a log line (`run 1042`), and the rowid of the run in a SQLite store.
public struct RunID: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let number: Int64

  public init(_ number: Int64) { self.number = number }

  /// Reads the form that `description` writes, with or without a leading `#`.
  public init?(_ text: some StringProtocol) {
    let digits = text.hasPrefix("#") ? text.dropFirst() : text[...]
    guard let number = Int64(digits), number > 0 else { return nil }
    self.number = number
  }

  /// Every so many ids one is left out by hosts, for a process that runs a job alongside them (`moondial exec`): so it
  /// needs no word with the host to have an id of its own, and its run stands among those of its time.
  package static let externalRunStride: Int64 = 16

  /// No id reaches this: it takes a million runs a second for 146,000 years. Whoever counts on from a smaller one
  /// cannot overflow.
  package static let largest: Int64 = 1 << 62
  /// Whether only a process alongside a host may take it, while one is up.
  package var isForExternalRuns: Bool { number % RunID.externalRunStride == 0 }

  public static func < (a: RunID, b: RunID) -> Bool { a.number < b.number }
  public var description: String { String(number) }
}

/// The place of a job in the scheduler's table while the host runs. Dense, reused after a job has gone; never
/// persisted.
package struct JobIndex: Hashable, Sendable {
  package let position: Int32
  package init(_ position: Int) { self.position = Int32(truncatingIfNeeded: position) }
  package var offset: Int { Int(position) }
}

/// Where a job may be found quickly. It is no part of what its owner says: two hints are always equal.
///
/// Not generic: the initialiser of a generic type that is called from another module asks the runtime for the type, 400
/// instructions each time.
package struct JobHint: Sendable, Equatable {
  package var value: JobIndex?
  package init(_ value: JobIndex? = nil) { self.value = value }
  package static func == (a: JobHint, b: JobHint) -> Bool { true }
}

/// Names an active run inside the scheduler: its slot and how often that slot was used before, so that a late report
/// about a run that ended is recognised as late instead of being taken for its successor's.
package struct RunToken: Hashable, Sendable {
  package let slot: Int32
  package let use: UInt32
  package init(slot: Int, use: UInt32) {
    self.slot = Int32(truncatingIfNeeded: slot)
    self.use = use
  }

  /// Names a call of moondial.lua's `on_failure`, which is no run of a job.
  package init(failureHook number: UInt32) { self.init(slot: -1, use: number) }
  package var isFailureHook: Bool { slot < 0 }
}

/// One loaded set of scripts. Rises by one at each reload that changed something.
public struct Generation: Hashable, Comparable, Sendable {
  public let number: Int
  public init(_ number: Int) { self.number = number }
  public static func < (a: Generation, b: Generation) -> Bool { a.number < b.number }
}

/// Counts how often the wall clock was set back beyond what a schedule bridges (3 hours). Fire times are unique within
/// one epoch.
public struct ClockEpoch: Hashable, Comparable, Sendable {
  public let number: Int32
  public init(_ number: Int32) { self.number = number }
  public static func < (a: ClockEpoch, b: ClockEpoch) -> Bool { a.number < b.number }
}

/// Where in a script something was declared or went wrong. Prints as `backup.lua:4`.
public struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
  /// Path below the scripts directory.
  public let file: String
  /// Counted from 1; 0 when only the file is known.
  public let line: Int

  public init(file: String, line: Int) {
    self.file = file
    self.line = line
  }
  public var description: String { line > 0 ? "\(file):\(line)" : file }
}

/// A JSON document as text. Parameters, results and event payloads travel in this form: whoever needs the value decodes
/// it, and everybody else copies a string.
public struct JSONText: Hashable, Sendable {
  public let text: String
  /// - Parameter text: one complete JSON document; not checked here.
  public init(_ text: String) { self.text = text }

  /// The same in every process.
  package var stableHash: UInt64 { StableHash.of(text) }
}

/// What the clocks said at one moment. Every decision of the scheduler takes one, so that it never reads a clock
/// itself.
package struct ClockReading: Sendable, Equatable {
  /// Civil time: compared with fire times.
  package var wall: Instant
  /// Nanoseconds of CLOCK_MONOTONIC: compared with delays that must not feel a clock being set (retries, debounce).
  package var monotonic: Int64

  package init(wall: Instant, monotonic: Int64) {
    self.wall = wall
    self.monotonic = monotonic
  }
}
