import Foundation
import Hosting
import JobModel
import MongoFixtures
import PostgresFixture

/// The server whose store several hosts name, and what can happen to it.
enum ClusterServer {
  /// Each host goes a way of its own.
  case postgres(PostgresServer, url: String, links: [PostgresProxy])
  case mongo(MongoProcess, url: String)

  static func postgres(hosts: Int) throws -> ClusterServer {
    let server = try PostgresServer(megabytes: FullDisk.canMount ? 2_048 : nil)
    let links = try (0..<hosts).map { _ in try PostgresProxy(to: server) }
    return .postgres(server, url: try server.database(), links: links)
  }

  static func mongo(_ kind: MongoProcess.Kind) throws -> ClusterServer {
    let server = try MongoProcess(kind)
    return .mongo(server, url: server.address("jobs"))
  }

  var url: String {
    switch self {
    case .postgres(_, let url, _), .mongo(_, let url): url
    }
  }

  /// The address by which a host goes.
  func url(of host: Int) -> String { link(of: host)?.url(of: url) ?? url }

  /// The way of a host; nil: they have none that a test could break.
  func link(of host: Int) -> PostgresProxy? {
    guard case .postgres(_, _, let links) = self else { return nil }
    return links[host]
  }

  /// What can happen to it, and to the hosts.
  var accidents: [ClusterHarness.Accident] {
    ClusterHarness.Accident.allCases.filter { accident in
      switch (accident, self) {
      case (.delayLink, .mongo), (.stallLeader, .mongo), (.stallStandby, .mongo), (.fillDisk, .mongo): false
      case (.fillDisk, .postgres): FullDisk.canMount
      default: true
      }
    }
  }

  /// Its disk is full as long as the closure takes.
  func withFullDisk(_ body: () throws -> Void) throws {
    guard case .postgres(let server, _, _) = self else { return }
    try server.fill()
    try body()
    try server.free()
  }

  /// The process of the host that has the store, as the store says.
  func leader() throws -> String? {
    switch self {
    case .postgres(let server, let url, _):
      return try server.execute("SELECT process FROM moondial.leadership", in: url)
    case .mongo:
      let store = try StoreKinds.standard.open(StoreAddress(url), StoreRequest(.reader))
      defer { store.close() }
      // `process 7 on db1, since …`
      return try examination(of: store).scheduler?.split(separator: " ").dropFirst().first.map(String.init)
    }
  }

  func cutConnections() throws {
    switch self {
    case .postgres(let server, let url, _):
      try server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'moondial%'", in: url)
    case .mongo(let server, _):
      if server.kind == .replicaSet { try server.elect() } else { try restart() }
    }
  }

  func restart() throws {
    switch self {
    case .postgres(let server, _, _):
      try server.stop(.fast)
      try server.start()
    case .mongo: try crash()
    }
  }

  /// It dies without a word, and comes back.
  func crash() throws {
    switch self {
    case .postgres(let server, _, _):
      try server.stop(.immediate)
      try server.start()
    case .mongo(let server, _):
      server.kill()
      try server.start()
    }
  }

  /// A time of the row of leadership, in seconds by the server's clock; nil: it has none.
  func lease(_ column: String) throws -> Double? {
    guard case .postgres(let server, let url, _) = self else { return nil }
    return Double(try server.execute("SELECT extract(epoch FROM \(column)) FROM moondial.leadership", in: url))
  }
}
