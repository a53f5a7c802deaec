internal import JobModel
internal import StoreSupport

/// Which database a store is in: what libpq is given, and how people are told of it, without the password.
struct PostgresTarget: Sendable {
  /// A connection URI of libpq. It may hold a password: not for messages.
  let uri: String
  /// `postgres://web@db1/jobs`.
  let location: String

  private let address: PublicAddress

  init(_ address: StoreAddress) {
    uri = address.text
    self.address = PublicAddress(address)
    location = self.address.text
  }

  // MARK: What went wrong

  /// Why no connection could be made, from libpq's words.
  func unreachable(_ words: String) -> StoreError {
    let words = address.words(words)
    if words.contains("does not exist"), words.contains("database") {
      return StoreError(.io, "\(location): there is no such database: create it (createdb), or name another one")
    }
    for refusal in ["authentication failed", "no pg_hba.conf entry", "no password supplied"]
    where words.contains(refusal) {
      return StoreError(
        .io,
        "\(location): the server refuses the login (\(words)): look at user, password (PGPASSWORD, ~/.pgpass) and "
          + "pg_hba.conf"
      )
    }
    return StoreError(
      .io,
      "\(location): the server cannot be reached (\(words)): its jobs wait until it can; look at the address and the "
        + "server"
    )
  }

  /// What the server said about a statement.
  func failure(state: String, message: String) -> StoreError {
    let message = address.words(message)
    switch state {
    case PostgresSchema.fencedState:
      return StoreError(
        .lost,
        "\(location): another host has taken this store over: this one starts nothing from it any more, and how its "
          + "runs end is not written"
      )
    case PostgresSchema.lostMemberState: return givenUp
    case "53100":
      return StoreError(.full, "\(location): the server has no space left: free some on its disk; nothing was written")
    case "25006":
      return StoreError(
        .readOnly,
        "\(location): the server only reads (a replica?): name the primary one, or add target_session_attrs=read-write")
    case "42501":
      return StoreError(
        .readOnly,
        "\(location): its user may not do that (\(message)): let it own the schema, or GRANT CREATE ON DATABASE once")
    case "3F000", "42P01", "42883":
      return StoreError(
        .corrupt,
        "\(location): something of moondial's schema is missing (\(message)): restore it from a backup, or drop the "
          + "schema \(PostgresSchema.name) to start empty"
      )
    default: return StoreError(.io, "\(location): \(message) (SQLSTATE \(state))")
    }
  }

  /// The answer to a member that was not heard of for the length of its lease.
  var givenUp: StoreError {
    StoreError(
      .lost,
      "\(location): this host was not heard of for the length of its lease, and what it ran for the host that leads "
        + "was given up: nothing of it is written"
    )
  }

  /// The answer to a batch whose connection broke: nobody knows whether it was written, and it is handed over again.
  func broken(_ words: String) -> StoreError {
    StoreError(
      .io, "\(location): the connection broke (\(address.words(words))): its jobs wait until the server answers again")
  }

  /// The answer to what may not be done twice.
  var unknown: StoreError {
    StoreError(
      .io,
      "\(location): the connection broke before the answer came: it may have been written or not; look before it is "
        + "done again"
    )
  }

  /// The answer to a batch that was written, when nobody knows who leads.
  var late: StoreError {
    StoreError(
      .io,
      "\(location): the server's answer came after the lease had ended: it was written, and nothing begins by it "
        + "before the lease is renewed"
    )
  }

  /// The same, when another host leads.
  var overtaken: StoreError {
    StoreError(
      .lost,
      "\(location): another host has taken this store over while this one waited for an answer: what it wrote last is "
        + "the other one's to settle"
    )
  }

  var halfMoved: StoreError {
    StoreError(
      .locked,
      "\(location): something is being moved into this store, and that is not finished: run the same `moondial "
        + "migrate` again, which goes on where it stopped, or name another store"
    )
  }

  var silent: StoreError {
    StoreError(.io, "\(location): the server does not answer: its jobs wait until it does")
  }

  var newer: StoreError {
    StoreError(.version, "\(location): written by a newer moondial than this one: install that version")
  }

  var older: StoreError {
    StoreError(
      .version,
      "\(location): written by an older moondial: start a host on it once, which upgrades the tables, then try again")
  }

  var empty: StoreError {
    StoreError(.absent, "\(location): there is nothing of moondial's in it yet: start a host on it first")
  }

  var notUnicode: StoreError {
    StoreError(
      .io, "\(location): the database is not in UTF-8: create one with ENCODING 'UTF8' (createdb -E UTF8 -T template0)")
  }

  var onlyRead: StoreError {
    StoreError(
      .readOnly, "\(location): the store is open for reading only: open it as scheduler or alongside one to change it")
  }
}
