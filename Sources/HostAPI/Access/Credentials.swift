internal import Basics
internal import Synchronization

/// Who is let in: tokens of the configuration, links that are good once, and the sessions of browsers that used one.
///
/// Links and sessions live as long as the host. What is kept of each is its hash.
///
/// Threading: any thread; nothing waits.
package final class Credentials: Sendable {
  /// Nanoseconds for which a link is good.
  package static let linkLife: Int64 = 600_000_000_000
  /// Nanoseconds for which a session is good.
  package static let sessionLife: Int64 = 12 * 3_600_000_000_000
  /// Links that nobody has used yet, at most: the oldest go.
  static let mostLinks = 16
  /// Sessions at most: the oldest go.
  static let mostSessions = 64

  /// A link or a session.
  private struct Grant {
    var hash: CredentialHash
    var role: AccessRole
    /// `monotonicNow()`.
    var until: Int64
  }
  private struct State {
    var tokens: [AccessToken]
    var links: [Grant] = []
    var sessions: [Grant] = []
  }
  private let state: Mutex<State>
  private let now: @Sendable () -> Int64

  /// - Parameter now: nanoseconds of a clock that only goes forward.
  package init(tokens: [AccessToken] = [], now: @escaping @Sendable () -> Int64 = { monotonicNow() }) {
    state = Mutex(State(tokens: tokens))
    self.now = now
  }

  /// From now on these are the tokens: one that is not among them is nobody's.
  package func use(tokens: [AccessToken]) { state.withLock { $0.tokens = tokens } }

  /// Who says this token. Looks at every token, whichever it is.
  package func identity(token: String) -> Identity? {
    let hash = CredentialHash(of: token)
    return state.withLock { $0.tokens }.reduce(nil) { found, token in
      token.hash.matches(hash) ? Identity(name: "token \(token.name)", role: token.role, isCookie: false) : found
    }
  }

  /// Whose browser says this session.
  package func identity(session: String) -> Identity? {
    let hash = CredentialHash(of: session)
    let now = now()
    return state.withLock { $0.sessions }.reduce(nil) { found, grant in
      grant.hash.matches(hash) && grant.until > now
        ? Identity(name: "browser", role: grant.role, isCookie: true) : found
    }
  }

  /// A code for one link.
  package func makeLink(_ role: AccessRole) -> String {
    let code = Credential.random().text
    let grant = Grant(hash: CredentialHash(of: code), role: role, until: now() + Self.linkLife)
    state.withLock { state in
      state.links.removeAll { $0.until <= now() }
      state.links = state.links.suffix(Self.mostLinks - 1) + [grant]
    }
    return code
  }

  /// Takes a link's code, and gives a session for it: the first time, within its life.
  package func takeLink(_ code: String) -> String? {
    let hash = CredentialHash(of: code)
    let now = now()
    let session = Credential.random().text
    return state.withLock { state in
      guard let index = state.links.firstIndex(where: { $0.hash.matches(hash) }) else { return nil }
      let link = state.links.remove(at: index)
      guard link.until > now else { return nil }
      state.sessions.removeAll { $0.until <= now }
      let grant = Grant(hash: CredentialHash(of: session), role: link.role, until: now + Self.sessionLife)
      state.sessions = state.sessions.suffix(Self.mostSessions - 1) + [grant]
      return session
    }
  }

  /// Ends a session.
  package func end(session: String) {
    let hash = CredentialHash(of: session)
    state.withLock { $0.sessions.removeAll { $0.hash.matches(hash) } }
  }
}
