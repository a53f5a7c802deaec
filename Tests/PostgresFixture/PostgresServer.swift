import Foundation
import Synchronization
import TestSupport

/// A PostgreSQL server of the tests' own: a cluster in a temporary directory, on a Unix socket there and on no port,
/// run by an unprivileged user. It ends with this object, and with the test process however that ends: a shell waits
/// for the end of a pipe and stops the server that it started.
///
///     let server = try #require(PostgresServer.shared)
///     let url = try server.database()
///
/// Threading: any thread.
public final class PostgresServer: Sendable {
  /// Where the server's programs are; nil: PostgreSQL is not installed.
  private static let programs: String? = {
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
    let newest = versions.compactMap { Int($0) }.max().map { "/usr/lib/postgresql/\($0)/bin" }
    return newest.flatMap { FileManager.default.isExecutableFile(atPath: $0 + "/initdb") ? $0 : nil }
  }()

  public static let isInstalled: Bool = {
    if programs == nil {
      print("left out: tests against PostgreSQL, which is not installed (apt-get install postgresql)")
    }
    return programs != nil
  }()

  /// One for all tests of a process that neither stop it nor count its sessions.
  public static let shared: PostgresServer? = {
    guard isInstalled else { return nil }
    do { return try PostgresServer() } catch {
      print("left out: tests against PostgreSQL: \(error)")
      return nil
    }
  }()

  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  public let directory: String
  private let home: TemporaryDirectory
  private let programs: String
  private let keeper: Process
  private let lifeline: Pipe
  private let answers: Pipe
  private let databases = Atomic(0)

  /// Makes a cluster and starts its server. A second or two.
  ///
  /// - Parameter megabytes: of a file system of its own, in memory, which ``fill()`` fills; nil: it is where temporary
  ///   files are. Only the superuser may mount one.
  public init(megabytes: Int? = nil) throws {
    guard let programs = Self.programs else { throw Failure(description: "PostgreSQL is not installed") }
    self.programs = programs
    home = try TemporaryDirectory()
    directory = home.path
    if let megabytes {
      try Self.run(["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", directory])
    }
    if geteuid() == 0 {
      guard let user = unsafe getpwnam("postgres") else { throw Failure(description: "there is no user postgres") }
      guard unsafe chown(directory, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else {
        throw Failure(description: "\(directory) cannot be given to postgres")
      }
    }
    let settings = """
      listen_addresses = ''
      unix_socket_directories = '\(directory)'
      fsync = off
      max_connections = 200
      max_wal_size = 64MB
      shared_buffers = 32MB
      """
    // The shell lives as long as the pipe that it reads from, and does what comes through it: what is started by it
    // holds nothing of this process's. It runs as whoever runs the tests, because only they can remove the directory.
    let script = """
      cd "$1" || exit 1
      place=$1 programs=$2 settings=$3
      shift 3
      start() { "$@" "$programs/pg_ctl" -D data -l server.log -w -s start >ctl.log 2>&1; }
      "$@" "$programs/initdb" -D data -A trust -U postgres -E UTF8 --locale=C --no-sync >initdb.log 2>&1 \
      && printf '%s\\n' "$settings" >>data/postgresql.conf && start "$@" && echo ready || { cat *.log; echo failed; }
      while read -r order mode; do
        case $order in
          start) start "$@" ;;
          stop) "$@" "$programs/pg_ctl" -D data -m "$mode" -w -s stop >ctl.log 2>&1 ;;
        esac && echo ready || { cat ctl.log; echo failed; }
      done
      "$@" "$programs/pg_ctl" -D data -m immediate -w -s stop >/dev/null 2>&1
      cd / && rm -rf "$place" 2>/dev/null || { umount "$place"; rm -rf "$place"; }
      """
    lifeline = Pipe()
    answers = Pipe()
    for end in [lifeline, answers].flatMap({ [$0.fileHandleForReading, $0.fileHandleForWriting] }) {
      _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC)
    }
    keeper = Process()
    let command = ["/bin/sh", "-c", script, "sh", directory, programs, settings] + Self.unprivileged
    keeper.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    keeper.arguments = command
    keeper.standardInput = lifeline
    keeper.standardOutput = answers
    try keeper.run()
    // The child's ends are its own.
    try lifeline.fileHandleForReading.close()
    try answers.fileHandleForWriting.close()
    try awaitAnswer()
  }

  private func awaitAnswer() throws {
    var said = ""
    while !said.hasSuffix("ready\n"), !said.hasSuffix("failed\n") {
      let data = answers.fileHandleForReading.availableData
      guard !data.isEmpty else { break }
      said += String(decoding: data, as: UTF8.self)
    }
    guard said.hasSuffix("ready\n") else { throw Failure(description: "the server does not obey: \(said)") }
  }

  deinit {
    try? lifeline.fileHandleForWriting.close()
    keeper.waitUntilExit()
  }

  /// What its programs are started by: they refuse to run as root.
  private static var unprivileged: [String] {
    geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : ["env"]
  }

  // MARK: Databases

  /// The address of a new, empty database.
  public func database() throws -> String {
    let number = databases.add(1, ordering: .relaxed).newValue
    try execute("CREATE DATABASE moon\(number) TEMPLATE template0")
    return url("moon\(number)")
  }

  public func url(_ database: String) -> String { "postgres://postgres@/\(database)?host=\(directory)" }

  /// Runs SQL in a database, and answers its rows as text, fields by `|`.
  @discardableResult
  public func execute(_ sql: String, in database: String = "postgres") throws -> String {
    let url = database.hasPrefix("postgres://") ? database : url(database)
    return try Self.run([programs + "/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
  }

  // MARK: Its life

  public enum Shutdown: String, Sendable { case fast, immediate }

  public func stop(_ mode: Shutdown) throws { try order("stop \(mode.rawValue)") }
  public func start() throws { try order("start") }

  /// Takes all that is left of its own file system.
  public func fill() throws {
    var space = statvfs()
    let path = directory + "/filler"
    guard unsafe statvfs(directory, &space) == 0 else { throw Failure(description: "\(directory) has no size") }
    // More than there is: what can be had is had, a page at a time.
    let bytes = UInt64(space.f_bavail) * UInt64(space.f_bsize) + 1
    try Self.run(["sh", "-c", "head -c \(bytes) /dev/zero >'\(path)' || true"])
    if (try? execute("CREATE TABLE filled AS SELECT generate_series(1, 1000000)")) != nil {
      throw Failure(description: "the disk of the server is not full")
    }
  }

  /// Gives back what ``fill()`` took, and returns when the server answers again: it may have ended meanwhile.
  public func free() throws {
    try FileManager.default.removeItem(atPath: directory + "/filler")
    for _ in 0..<150 {
      if (try? execute("SELECT 1")) != nil { return }
      try? start()
      Thread.sleep(forTimeInterval: 0.2)
    }
    throw Failure(description: "the server did not come back after its disk was full")
  }

  private func order(_ words: String) throws {
    try lifeline.fileHandleForWriting.write(contentsOf: Data((words + "\n").utf8))
    try awaitAnswer()
  }

  @discardableResult
  private static func run(_ command: [String]) throws -> String {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(command.joined(separator: " ")): \(said)")
    }
    return said.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
