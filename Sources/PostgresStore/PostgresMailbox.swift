internal import Basics
internal import Chronology
package import JobModel
internal import StoreSupport

/// The leader's side of placements: it writes by the writer's connection, which proves the epoch, and listens on one of
/// its own.
///
/// Threading: any thread; what was heard is told on a thread of its own.
final class PostgresMailbox: RunMailbox {
  private struct State {
    var isAwaiting = false
    var isClosing = false
  }

  private let commits: PostgresCommits
  private let state = Monitor(State())
  private let bell: Bell
  private let thread: StoreThread

  /// - Parameter lease: nanoseconds.
  init(
    _ target: PostgresTarget, setup: String, _ commits: PostgresCommits, lease: Int64,
    _ heard: @escaping @Sendable ([PlacementReport]) -> Void
  ) throws(StoreError) {
    self.commits = commits
    bell = try Bell(target.location)
    let (state, bell) = (state, bell)
    thread = try StoreThread(name: "store-mailbox") {
      var listening = Listening(target, setup: setup, commits, lease: lease, heard, bell: bell)
      while true {
        let (isAwaiting, isClosing) = state.withLock { ($0.isAwaiting, $0.isClosing) }
        if isClosing { return }
        listening.look(isAwaiting: isAwaiting)
        listening.wait()
      }
    }
  }

  func place(_ runs: [RunPlacement]) throws(StoreError) -> Set<PlacementKey> {
    var placed: Set<PlacementKey> = []
    for slice in Self.slices(runs) {
      placed.formUnion(PostgresPlacements.keys(try commits.write(PostgresPlacements.place(slice))[2]))
    }
    return placed
  }

  func cancel(_ keys: [PlacementKey]) throws(StoreError) {
    for slice in Self.slices(keys) { _ = try commits.write(PostgresPlacements.cancel(slice)) }
  }

  func settle(_ keys: [PlacementKey]) throws(StoreError) {
    for slice in Self.slices(keys) { _ = try commits.write(PostgresPlacements.settle(slice)) }
  }

  private static func slices<T>(_ all: [T]) -> [[T]] {
    stride(from: 0, to: all.count, by: PostgresPlacements.slice).map {
      Array(all[$0..<min($0 + PostgresPlacements.slice, all.count)])
    }
  }

  func isAwaiting(_ isAwaiting: Bool) {
    let isNews = state.change { state in
      defer { state.isAwaiting = isAwaiting }
      return state.isAwaiting != isAwaiting
    }
    if isNews { bell.ring() }
  }

  func close() {
    state.change { $0.isClosing = true }
    bell.ring()
    thread.join()
  }
}

/// What the thread of a mailbox does: it waits for word of members, and looks by itself only while something is placed.
private struct Listening: ~Copyable {
  private let target: PostgresTarget
  private let setup: String
  private let commits: PostgresCommits
  private let heard: @Sendable ([PlacementReport]) -> Void
  private let bell: Bell
  private var connection: PostgresConnection?
  /// Nanoseconds between two looks while something is placed.
  private let pace: Int64
  /// How long the server may take to answer. Nanoseconds.
  private let patience: Int64
  private var pause: Int64 = 0
  private var retry: Int64 = 0

  private static let shortestRetry: Int64 = 250_000_000
  private static let longestRetry: Int64 = 5_000_000_000
  /// While nothing is placed there is nothing to look for.
  private static let never: Int64 = 3_600_000_000_000

  init(
    _ target: PostgresTarget, setup: String, _ commits: PostgresCommits, lease: Int64,
    _ heard: @escaping @Sendable ([PlacementReport]) -> Void, bell: Bell
  ) {
    self.target = target
    self.setup = setup
    self.commits = commits
    self.heard = heard
    self.bell = bell
    patience = max(1_000_000_000, lease)
    pace = min(max(lease / 6, 250_000_000), 5_000_000_000)
  }

  mutating func look(isAwaiting: Bool) {
    pause = isAwaiting ? pace : Self.never
    do throws(StoreError) {
      let connection = try connected()
      if isAwaiting, try ask(connection, PostgresPlacements.hasLost).count > 0 {
        _ = try commits.write(PostgresPlacements.lose)
      }
      let reports = PostgresPlacements.read(try ask(connection, PostgresPlacements.unheard))
      retry = 0
      guard !reports.isEmpty else { return }
      heard(reports)
      let begun = reports.filter { $0.state == .started }.map(\.key)
      if !begun.isEmpty { _ = try commits.write(PostgresPlacements.hear(begun)) }
    } catch {
      // Another host leads, or the server is away: who decides hears of that elsewhere.
      retry = min(max(Self.shortestRetry, retry * 2), Self.longestRetry)
      pause = retry
    }
  }

  private func ask(_ connection: PostgresConnection, _ sql: String) throws(StoreError) -> PostgresRows {
    try connection.run([PostgresStep(sql)], within: patience)[0]
  }

  private mutating func connected() throws(StoreError) -> PostgresConnection {
    if let connection, !connection.isBroken { return connection }
    connection = nil
    let made = try PostgresConnection(target, setup: setup)
    _ = try made.ask("LISTEN \(PostgresSchema.reportChannel)")
    connection = made
    return made
  }

  mutating func wait() {
    defer { bell.silence() }
    if let connection, !connection.isBroken {
      do throws(StoreError) {
        _ = try connection.awaitNotice(for: pause, orReadable: bell.descriptor)
      } catch {}
      return
    }
    bell.wait(for: pause)
  }
}

extension PostgresStore: PlacingStore {
  package var epoch: Int64 { lease?.epoch ?? 0 }

  package func placements() throws(StoreError) -> [PlacementReport] {
    let rows = try readers.ask(PostgresPlacements.standing)
    var found = PostgresPlacements.read(rows)
    for index in found.indices { found[index].isClaimed = rows.integer(index, 7) != 0 }
    return found
  }

  package func lines(of runs: [RunID: Int64?], limit: Int) throws(StoreError) -> [PlacedLine] {
    var found: [PlacedLine] = []
    let new = runs.compactMap { $0.value == nil ? $0.key.number : nil }
    if !new.isEmpty {
      let rows = try readers.ask(
        """
        SELECT r.run, coalesce((SELECT max(line) FROM run_log l WHERE l.run = r.run), 0) \
        FROM unnest($1::bigint[]) AS r(run)
        """
      ) { $0.add(new) { $0 } }
      found += (0..<rows.count).map {
        PlacedLine(run: RunID(rows.integer($0, 0)), number: rows.integer($0, 1), line: nil)
      }
    }
    let known = runs.compactMap { run, number in number.map { (run.number, $0) } }
    guard !known.isEmpty else { return found }
    let rows = try readers.ask(
      """
      SELECT l.run, l.line, l.at, l.level, l.message, l.fields, (SELECT job FROM log_sizes s WHERE s.run = l.run) \
      FROM unnest($1::bigint[], $2::bigint[]) AS r(run, line) JOIN run_log l ON l.run = r.run AND l.line > r.line \
      ORDER BY l.run, l.line LIMIT $3
      """
    ) {
      $0.add(known) { $0.0 }
      $0.add(known) { $0.1 }
      $0.add(Int64(limit))
    }
    return found
      + (0..<rows.count).map { row in
        let run = RunID(rows.integer(row, 0))
        let line = RunLogLine(
          run: run, job: rows.text(row, 6), at: Instant(nanoseconds: rows.integer(row, 2)), level: rows.text(row, 3),
          message: rows.text(row, 4), fields: rows.optionalText(row, 5).map { JSONText($0) })
        return PlacedLine(run: run, number: rows.integer(row, 1), line: line)
      }
  }

  package func openMailbox(
    _ heard: @escaping @Sendable ([PlacementReport]) -> Void
  ) throws(StoreError) -> any RunMailbox {
    guard let commits, let lease else { throw target.onlyRead }
    return try PostgresMailbox(target, setup: setup, commits, lease: lease.held.length, heard)
  }
}
