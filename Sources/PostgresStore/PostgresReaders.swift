internal import Basics
internal import JobModel

/// A few connections for questions, made when they are needed. No question waits for the writer.
///
/// Threading: any thread; blocks on the server.
final class PostgresReaders: Sendable {
  private static let most = 4

  private struct State {
    var idle: [PostgresConnection] = []
    var lent = 0
    var isClosed = false
  }

  private let state = Monitor(State())
  let target: PostgresTarget
  private let setup: String

  init(_ target: PostgresTarget, setup: String) {
    self.target = target
    self.setup = setup
  }

  /// One question. A connection that broke since the last one (the server was started anew) is replaced once.
  func ask(_ sql: String, _ fill: (inout PostgresParameters) -> Void = { _ in }) throws(StoreError) -> PostgresRows {
    try run([PostgresStep(sql, fill)])[0]
  }

  /// Several questions to one snapshot.
  func snapshot(_ steps: [PostgresStep]) throws(StoreError) -> ArraySlice<PostgresRows> {
    let answers = try run(
      [PostgresStep("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")] + steps + [PostgresStep("COMMIT")])
    return answers[1..<(answers.count - 1)]
  }

  private func run(_ steps: [PostgresStep]) throws(StoreError) -> [PostgresRows] {
    guard let (connection, isFresh) = try borrow() else { throw .closed(target.location) }
    defer { giveBack(connection) }
    do throws(StoreError) {
      return try connection.run(steps)
    } catch {
      guard connection.isBroken, !isFresh else { throw error }
    }
    let fresh = try PostgresConnection(target, setup: setup)
    return try fresh.run(steps)
  }

  /// nil: it is closed.
  private func borrow() throws(StoreError) -> (connection: PostgresConnection, isFresh: Bool)? {
    let taken = state.wait { state -> (isClosed: Bool, connection: PostgresConnection?)? in
      if state.isClosed { return (true, nil) }
      guard state.lent < Self.most else { return nil }
      state.lent += 1
      return (false, state.idle.popLast())
    }!
    if taken.isClosed { return nil }
    if let connection = taken.connection { return (connection, false) }
    do throws(StoreError) { return (try PostgresConnection(target, setup: setup), true) } catch {
      state.change { $0.lent -= 1 }
      throw error
    }
  }

  private func giveBack(_ connection: PostgresConnection) {
    state.change { state in
      state.lent -= 1
      if !connection.isBroken, !state.isClosed { state.idle.append(connection) }
    }
  }

  func close() {
    let idle = state.change { state in
      state.isClosed = true
      defer { state.idle = [] }
      return state.idle
    }
    _ = idle
  }
}
