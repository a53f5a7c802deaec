import Basics
import Chronology
import Glibc
import HostAPI
import Hosting
import JobModel
import ScriptLoading

/// The HTTP server of a host of this command: the socket in its state directory, always; TCP and tokens as configured.
///
/// Threading: any thread.
final class HostHTTP: Sendable {
  private let server: HostServer
  private let assembly: SchedulerAssembly
  private let log: LogRenderer

  /// - Parameter zone: in which times are shown.
  init(_ assembly: SchedulerAssembly, stateDirectory: String, zone: TimeZoneRules, log: LogRenderer) {
    self.assembly = assembly
    self.log = log
    let http = assembly.configuration.http
    var settings = HostServer.Settings()
    settings.socket = stateDirectory + "/host.sock"
    settings.listen = http.isEnabled ? (http.host, http.port) : nil
    settings.names = http.hosts
    settings.version = MoondialVersion.text
    settings.zone = zone
    settings.limits.connections = HostHTTP.connections(settings.limits.connections)
    server = HostServer(assembly.control, settings, log: log)
  }

  /// From now on the socket is there; who connects is answered after `serve`.
  func listen() { server.listen() }

  /// The host has begun: answers.
  func serve() {
    use(assembly.configuration)
    server.serve()
    // For whoever sits there; a log that is kept is no place for it.
    if StandardError.isTerminal, let link = server.makeLink() {
      log.write(.info, "in a browser, for 10 minutes and once: \(link)")
    }
  }

  func stop() { server.stop() }

  /// Takes over the tokens of a configuration. Blocks on files of secrets.
  func use(_ configuration: HostConfiguration) {
    server.use(
      tokens: configuration.http.tokens.compactMap { token in
        let role: AccessRole = token.role == .read ? .read : .operate
        switch token.source {
        case .hash(let bytes): return AccessToken(name: token.name, role: role, hash: CredentialHash(bytes: bytes))
        case .secret(let name):
          do throws(HostError) {
            return AccessToken(name: token.name, role: role, hash: CredentialHash(of: try assembly.secret(name)))
          } catch {
            log.write(.error, "http.tokens.\(token.name) lets nobody in: \(error.message)")
            return nil
          }
        }
      })
  }

  /// As many as are wanted, or as the descriptors that the process may have allow in addition to its own.
  private static func connections(_ wanted: Int) -> Int {
    var limit = rlimit()
    // Safe: the calls write and read that one struct.
    guard unsafe getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return min(wanted, 256) }
    let most = rlim_t(4_096)
    if limit.rlim_cur < most, limit.rlim_max > limit.rlim_cur {
      let former = limit.rlim_cur
      limit.rlim_cur = min(most, limit.rlim_max)
      if unsafe setrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) != 0 { limit.rlim_cur = former }
    }
    let free = Int(min(limit.rlim_cur, most)) - 256
    return min(wanted, max(8, free * 3 / 4))
  }
}
