internal import Basics
internal import CPostgres
internal import Glibc
internal import JobModel

/// One statement of a sequence that is sent in one go.
struct PostgresStep {
  let sql: String
  var parameters = PostgresParameters()

  init(_ sql: String) { self.sql = sql }
  init(_ sql: String, _ fill: (inout PostgresParameters) -> Void) {
    self.sql = sql
    fill(&parameters)
  }
}

/// One connection to a server. Statements go out together and are answered together (libpq's pipeline mode): however
/// many there are, they cost one way there and back. Each text is prepared once.
///
/// A connection that broke, or that did not answer in time, is of no use any more (``isBroken``): its owner makes
/// another one.
///
/// Threading: one thread at a time. Blocks.
@safe final class PostgresConnection: @unchecked Sendable {
  // `@safe`: the pointer is made in init, never leaves this object, and is freed once in deinit. `@unchecked Sendable`:
  // its owners (a writer's thread, the pool of readers behind a lock) hand it to one thread at a time.
  private let connection: OpaquePointer
  private let target: PostgresTarget
  /// Texts that this session has prepared, and under which names.
  private var names: [String: String] = [:]
  private var lastName = 0
  private(set) var isBroken = false

  /// Nanoseconds that a server may take to answer, unless somebody has less time.
  static let patience: Int64 = 60_000_000_000

  /// Connects, and sets the session up.
  ///
  /// - Parameters:
  ///   - setup: SQL that every session begins with.
  ///   - more: settings of libpq, over what the address says.
  init(_ target: PostgresTarget, setup: String, _ more: [(String, String)] = []) throws(StoreError) {
    self.target = target
    // What comes before `dbname` is what the address may say otherwise; what comes after is so in any case. A server
    // that has gone without a word is noticed by what stays unacknowledged for 15 s (tcp(7), TCP_USER_TIMEOUT).
    let settings =
      [
        ("connect_timeout", "5"), ("tcp_user_timeout", "15000"), ("keepalives_idle", "10"),
        ("keepalives_interval", "5"), ("keepalives_count", "2"), ("fallback_application_name", "moondial"),
        ("dbname", target.uri), ("client_encoding", "UTF8"),
      ] + more
    // Safe: both lists end in nil, and their strings live until the call has returned.
    let keys = unsafe settings.map { unsafe UnsafePointer(strdup($0.0)) } + [nil]
    let values = unsafe settings.map { unsafe UnsafePointer(strdup($0.1)) } + [nil]
    defer { unsafe (keys + values).forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) } }
    guard let made = unsafe PQconnectdbParams(keys, values, 1) else {
      throw StoreError(.io, "\(target.location): libpq has no memory left")
    }
    unsafe connection = unsafe made
    unsafe moon_pg_silence(made)
    guard unsafe PQstatus(made) == CONNECTION_OK else { throw target.unreachable(words) }
    let result = unsafe PQexec(made, setup)
    defer { unsafe PQclear(result) }
    let status = unsafe PQresultStatus(result)
    guard status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK else { throw unsafe failure(result) }
    guard unsafe PQsetnonblocking(made, 1) == 0, unsafe PQenterPipelineMode(made) == 1 else {
      throw target.broken(words)
    }
  }

  deinit { unsafe PQfinish(connection) }

  /// Parameters of the server that it told at the start: `server_encoding`.
  func parameter(_ name: String) -> String {
    unsafe PQparameterStatus(connection, name).map { unsafe String(cString: $0) } ?? ""
  }

  // MARK: Running

  /// Sends the steps and brings their answers, one each.
  ///
  /// Without `BEGIN` among them they are one transaction together. After a failure nothing of them took place, unless
  /// the connection broke: then nobody knows.
  ///
  /// - Parameter nanoseconds: how long the server may take for all of it.
  func run(_ steps: [PostgresStep], within nanoseconds: Int64 = patience) throws(StoreError) -> [PostgresRows] {
    let deadline = monotonicNow() + nanoseconds
    do throws(StoreError) {
      let expected = try send(steps)
      let answers = try receive(expected, until: deadline)
      return answers
    } catch {
      if !isBroken, unsafe PQtransactionStatus(connection) != PQTRANS_IDLE { leaveTransaction(deadline) }
      throw error
    }
  }

  /// The rows of one question.
  func ask(_ sql: String, _ fill: (inout PostgresParameters) -> Void = { _ in }) throws(StoreError) -> PostgresRows {
    try run([PostgresStep(sql, fill)])[0]
  }

  /// After a failure inside BEGIN … COMMIT.
  private func leaveTransaction(_ deadline: Int64) {
    do throws(StoreError) {
      _ = try receive(try send([PostgresStep("ROLLBACK")]), until: deadline)
    } catch { isBroken = true }
  }

  private enum Expected { case preparation(sql: String, name: String), answer, end }

  private func send(_ steps: [PostgresStep]) throws(StoreError) -> [Expected] {
    guard !isBroken else { throw target.broken("it was closed") }
    var expected: [Expected] = []
    for step in steps {
      let name: String
      if let known = names[step.sql] {
        name = known
      } else {
        lastName += 1
        name = "s\(lastName)"
        // Safe: the texts and the list live for the length of the call.
        let sent = unsafe step.parameters.types.withUnsafeBufferPointer { types in
          unsafe PQsendPrepare(connection, name, step.sql, Int32(types.count), types.baseAddress)
        }
        guard sent == 1 else { throw fail() }
        expected.append(.preparation(sql: step.sql, name: name))
        names[step.sql] = name
      }
      guard send(step.parameters, to: name) else { throw fail() }
      expected.append(.answer)
    }
    guard unsafe PQpipelineSync(connection) == 1 else { throw fail() }
    return expected + [.end]
  }

  private func send(_ parameters: PostgresParameters, to name: String) -> Bool {
    unsafe parameters.storage.withUnsafeBufferPointer { storage in
      let start = unsafe storage.baseAddress.map { unsafe UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) }
      // An empty value is a pointer to nothing, and not null.
      let empty: StaticString = ""
      let values = unsafe parameters.spans.map { span -> UnsafePointer<CChar>? in
        if span.count < 0 { return nil }
        if let start = unsafe start { return unsafe start + span.start }
        return unsafe UnsafeRawPointer(empty.utf8Start).assumingMemoryBound(to: CChar.self)
      }
      let sizes = parameters.spans.map { Int32(truncatingIfNeeded: max(0, $0.count)) }
      let formats = [Int32](repeating: 1, count: sizes.count)
      // Safe: libpq copies the values into its buffer before it returns.
      return unsafe PQsendQueryPrepared(connection, name, Int32(sizes.count), values, sizes, formats, 1) == 1
    }
  }

  private func receive(_ expected: [Expected], until deadline: Int64) throws(StoreError) -> [PostgresRows] {
    var answers: [PostgresRows] = []
    var error: StoreError?
    for item in expected {
      try awaitResult(until: deadline)
      guard let result = unsafe PQgetResult(connection) else { throw fail() }
      let status = unsafe PQresultStatus(result)
      if case .end = item {
        unsafe PQclear(result)
        guard status == PGRES_PIPELINE_SYNC else { throw fail() }
        break
      }
      switch (status, item) {
      case (PGRES_COMMAND_OK, .preparation), (PGRES_TUPLES_OK, .preparation): unsafe PQclear(result)
      case (PGRES_COMMAND_OK, _), (PGRES_TUPLES_OK, _): unsafe answers.append(PostgresRows(result))
      default:
        // What was to be prepared after a failure was not.
        if case .preparation(let sql, _) = item { names[sql] = nil }
        if status == PGRES_FATAL_ERROR, error == nil { error = unsafe failure(result) }
        unsafe PQclear(result)
        if unsafe PQstatus(connection) == CONNECTION_BAD {
          isBroken = true
          throw error ?? target.broken(words)
        }
      }
      // Each answer is followed by a null, but for the end's.
      try awaitResult(until: deadline)
      if let more = unsafe PQgetResult(connection) {
        unsafe PQclear(more)
        throw fail()
      }
    }
    if let error { throw error }
    return answers
  }

  /// Returns when the next result is there: meanwhile it sends what was not sent yet.
  private func awaitResult(until deadline: Int64) throws(StoreError) {
    while true {
      let unsent = unsafe PQflush(connection)
      guard unsent >= 0 else { throw fail() }
      guard unsafe PQisBusy(connection) != 0 else { return }
      let left = deadline - monotonicNow()
      guard left > 0 else {
        isBroken = true
        throw target.silent
      }
      var poll = pollfd(
        fd: unsafe PQsocket(connection), events: Int16(POLLIN) | (unsent > 0 ? Int16(POLLOUT) : 0), revents: 0)
      // Safe: waits for one descriptor, whose struct is a local.
      _ = unsafe Glibc.poll(&poll, 1, Int32(clamping: left / 1_000_000 + 1))
      guard unsafe PQconsumeInput(connection) == 1 else { throw fail() }
    }
  }

  /// Waits until the server tells something by itself (NOTIFY), or breaks off. False when `nanoseconds` have passed, or
  /// when there is something to read from the descriptor `wake`.
  func awaitNotice(for nanoseconds: Int64, orReadable wake: Int32 = -1) throws(StoreError) -> Bool {
    let deadline = monotonicNow() + nanoseconds
    while true {
      guard unsafe PQconsumeInput(connection) == 1 else { throw fail() }
      if let notice = unsafe PQnotifies(connection) {
        unsafe PQfreemem(notice)
        return true
      }
      let left = deadline - monotonicNow()
      guard left > 0 else { return false }
      // One that is negative is passed over.
      var polls = [
        pollfd(fd: unsafe PQsocket(connection), events: Int16(POLLIN), revents: 0),
        pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
      ]
      // Safe: the array is a local, and the count its own.
      _ = unsafe Glibc.poll(&polls, 2, Int32(clamping: left / 1_000_000 + 1))
      if polls[1].revents != 0 { return false }
    }
  }

  // MARK: What went wrong

  private var words: String { unsafe String(cString: PQerrorMessage(connection)) }

  private func fail() -> StoreError {
    isBroken = true
    return target.broken(words)
  }

  private func failure(_ result: OpaquePointer?) -> StoreError {
    // Safe: the result is alive; the texts are copied.
    guard let state = unsafe moon_pg_state(result) else { return fail() }
    let message = unsafe moon_pg_message(result).map { unsafe String(cString: $0) } ?? ""
    let code = unsafe String(cString: state)
    // The server ends this session: an administrator's order, a shutdown, a crash of another process of its.
    if code.hasPrefix("57P") || code.hasPrefix("08") {
      isBroken = true
      return target.broken(message)
    }
    return target.failure(state: code, message: message)
  }
}
