import Foundation
import Glibc
import Synchronization

/// A mongod of the tests: on a socket in a directory of its own, without TCP, with little memory. It ends with the
/// process that made it, however that ends.
public final class MongoProcess: Sendable {
  /// How it is set up.
  public enum Kind: String, Sendable, CaseIterable, CustomStringConvertible {
    /// Without transactions.
    case alone
    /// A replica set of one member.
    case replicaSet
    public var description: String { rawValue }
  }

  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// The program: `MOONDIAL_MONGOD`, what `.ci/mongod` has put into `.build`, or the machine's own. nil: there is none.
  public static let program: String? = {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let named = ProcessInfo.processInfo.environment["MOONDIAL_MONGOD"]
    let known = [named, root + "/.build/mongod/mongod", "/usr/bin/mongod", "/usr/local/bin/mongod"].compactMap { $0 }
    let found = known.first { FileManager.default.isExecutableFile(atPath: $0) }
    if found == nil {
      print("There is no mongod: the tests of the MongoDB store are left out. `.ci/mongod` gets one.")
    }
    return found
  }()

  public static var isThere: Bool { program != nil }

  private static let running = Mutex<[Kind: MongoProcess]>([:])

  /// One for all tests of this process, each with a database of its own.
  public static func shared(_ kind: Kind) throws -> MongoProcess {
    try running.withLock { running in
      if let known = running[kind] { return known }
      let made = try MongoProcess(kind)
      running[kind] = made
      return made
    }
  }

  public let kind: Kind
  public let directory: String
  private let state: Mutex<(server: Spawned, guardian: Spawned)?>

  public init(_ kind: Kind) throws {
    self.kind = kind
    directory = "/tmp/moondial-mongod-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    try FileManager.default.createDirectory(atPath: directory + "/data", withIntermediateDirectories: true)
    state = Mutex(nil)
    try start()
    if kind == .replicaSet { try initiate() }
  }

  deinit {
    kill()
    try? FileManager.default.removeItem(atPath: directory)
  }

  public var socket: String { directory + "/mongod.sock" }

  /// The address of a database.
  public func address(_ database: String) -> String {
    "mongodb://\(socket.replacingOccurrences(of: "/", with: "%2F"))/\(database)"
  }

  /// A database that nobody has used.
  public func freshAddress() -> String { address("t\(UInt64.random(in: 0...UInt64.max))") }

  /// Starts it, and waits until it listens. Its data are those it had before.
  public func start() throws {
    guard let program = Self.program else { throw Failure(description: "there is no mongod") }
    unlink(socket)
    var arguments = [
      program, "--dbpath", directory + "/data", "--bind_ip", socket, "--nounixsocket", "--port", "27017",
      "--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false",
    ]
    if kind == .replicaSet { arguments += ["--replSet", "moondial", "--oplogSize", "64"] }
    let output = Pipe()
    let server = try Spawned(arguments, input: nil, output: output)
    // It reads to the end of its input, which is the end of the tests, however they end; then the server goes, and all
    // that it has written.
    let place = directory
    let guardian = try Spawned(
      [
        "/bin/sh", "-c",
        "read -r line || { kill -9 \(server.pid); rm -rf \(place) || { sleep 1; rm -rf \(place); }; }",
      ], input: Pipe(), output: nil)
    state.withLock { $0 = (server, guardian) }
    let said = Said()
    Thread.detachNewThread { said.read(output.fileHandleForReading) }
    guard said.awaits("Waiting for connections") else {
      throw Failure(description: "mongod does not start:\n\(said.text.suffix(2_000))")
    }
  }

  /// What a server says, the last of it, as it comes.
  private final class Said: @unchecked Sendable {
    // @unchecked: what changes is behind the condition.
    private let condition = NSCondition()
    private var said = ""
    private var isOver = false

    var text: String { condition.withLock { said } }

    func read(_ output: FileHandle) {
      while true {
        let data = output.availableData
        condition.withLock {
          said = String((said + String(decoding: data, as: UTF8.self)).suffix(20_000))
          isOver = data.isEmpty
          condition.broadcast()
        }
        if data.isEmpty { return }
      }
    }

    /// Returns when it says so, or (false) has ended.
    func awaits(_ words: String) -> Bool {
      condition.lock()
      defer { condition.unlock() }
      while !said.contains(words), !isOver { condition.wait() }
      return said.contains(words)
    }
  }

  /// Kills it as a power cut would, but for what the kernel has. Returns when it has gone.
  public func kill() {
    guard let (server, guardian) = state.withLock({ $0.take() }) else { return }
    Glibc.kill(server.pid, SIGKILL)
    server.wait()
    // The number may soon be another's.
    try? guardian.input?.fileHandleForWriting.write(contentsOf: Data("done\n".utf8))
    guardian.wait()
  }

  /// The member of a replica set gives its role up, and is elected again after a second: connections are cut, and
  /// commits that are under way are taken back.
  public func elect() throws {
    // The answer may be lost with its connection.
    _ = try? MongoCommand.run(
      on: socket, database: "admin", [("replSetStepDown", .int(1)), ("force", .bool(true))])
    try awaitPrimary()
  }

  /// Makes it a replica set, and waits until it takes writes.
  private func initiate() throws {
    try MongoCommand.run(
      on: socket, database: "admin",
      [
        (
          "replSetInitiate",
          .document([
            ("_id", .text("moondial")),
            (
              "members",
              .array([
                .document([("_id", .int(0)), ("host", .text(socket))])
              ])
            ),
          ])
        )
      ])
    try awaitPrimary()
  }

  /// Returns when it takes writes: the server answers when something about that has changed.
  private func awaitPrimary() throws {
    let deadline = Date(timeIntervalSinceNow: 60)
    var known: [UInt8]?
    while Date() < deadline, state.withLock({ $0?.server.hasEnded == false }) {
      var hello: [(String, MongoCommand.Value)] = [("hello", .int(1))]
      if let known { hello += [("topologyVersion", .raw(known)), ("maxAwaitTimeMS", .long(10_000))] }
      let answer = try? MongoCommand.run(on: socket, database: "admin", hello)
      if let answer, MongoCommand.has(answer, "isWritablePrimary") { return }
      known = answer.flatMap { MongoCommand.document(in: $0, named: "topologyVersion") }
    }
    throw Failure(description: "the replica set has no primary")
  }

  /// Whether there is anything in the database of an address.
  public func holds(_ address: String) throws -> Bool {
    let name = address.split(separator: "/").last.map(String.init) ?? ""
    let answer = try MongoCommand.run(
      on: socket, database: "admin", [("listDatabases", .int(1)), ("nameOnly", .bool(true))])
    return String(decoding: answer, as: UTF8.self).contains(name)
  }
}

/// A child process without blocked signals.
final class Spawned: Sendable {
  let pid: Int32
  let input: Pipe?
  private let status = Mutex<Int32?>(nil)

  init(_ arguments: [String], input: Pipe?, output: Pipe?) throws {
    self.input = input
    for end in [input?.fileHandleForWriting, output?.fileHandleForReading, output?.fileHandleForWriting] {
      if let end { _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC) }
    }
    var argv = arguments.map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
      posix_spawn_file_actions_adddup2(&actions, input.fileHandleForReading.fileDescriptor, 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    if let output {
      posix_spawn_file_actions_adddup2(&actions, output.fileHandleForWriting.fileDescriptor, 1)
    } else {
      posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    }
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var pid: Int32 = 0
    let error = posix_spawn(&pid, arguments[0], &actions, &attributes, &argv, environ)
    guard error == 0 else {
      throw MongoProcess.Failure(description: "\(arguments[0]) cannot be started (error \(error))")
    }
    self.pid = pid
    try? input?.fileHandleForReading.close()
    try? output?.fileHandleForWriting.close()
  }

  var hasEnded: Bool { look(WNOHANG) }
  func wait() { _ = look(0) }

  private func look(_ options: Int32) -> Bool {
    status.withLock { known in
      if known != nil { return true }
      var status: Int32 = 0
      if waitpid(pid, &status, options) == pid { known = status }
      return known != nil
    }
  }
}

/// One command over a socket, by hand: what the tests need before there is a store.
enum MongoCommand {
  indirect enum Value {
    case int(Int32)
    case long(Int64)
    case bool(Bool)
    case text(String)
    case document([(String, Value)])
    case array([Value])
    /// A document as a server sent it.
    case raw([UInt8])
  }

  @discardableResult
  static func run(on socket: String, database: String, _ command: [(String, Value)]) throws -> [UInt8] {
    let body = document(command + [("$db", .text(database))])
    // OP_MSG: length, request, response to, code; flags; one section of the kind 0.
    var message = bytes(Int32(16 + 4 + 1 + body.count)) + bytes(1) + bytes(0) + bytes(2013) + bytes(0) + [0]
    message += body
    let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(socket.utf8) + [0]) }
    let isConnected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
    guard isConnected, write(descriptor, message, message.count) == message.count else {
      throw MongoProcess.Failure(description: "no connection to \(socket) (error \(errno))")
    }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    repeat {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { throw MongoProcess.Failure(description: "no answer from \(socket)") }
      answer += buffer[..<count]
    } while answer.count < 4 || answer.count < Int(answer[0]) | Int(answer[1]) << 8 | Int(answer[2]) << 16
    return answer
  }

  /// Whether an answer has a field that is true.
  static func has(_ answer: [UInt8], _ name: String) -> Bool {
    let wanted = [0x08] + Array(name.utf8) + [0, 1]
    guard answer.count >= wanted.count else { return false }
    return (0...answer.count - wanted.count).contains { answer[$0..<$0 + wanted.count].elementsEqual(wanted) }
  }

  /// A document that an answer has under that name.
  static func document(in answer: [UInt8], named name: String) -> [UInt8]? {
    let wanted = [0x03] + Array(name.utf8) + [0]
    guard
      let start = (0..<max(0, answer.count - wanted.count - 4)).first(where: {
        answer[$0..<$0 + wanted.count].elementsEqual(wanted)
      })
    else { return nil }
    let from = start + wanted.count
    let size = Int(answer[from]) | Int(answer[from + 1]) << 8
    return size >= 5 && from + size <= answer.count ? Array(answer[from..<from + size]) : nil
  }

  private static func bytes(_ number: Int32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * Int32($0))) }
  }

  private static func document(_ fields: [(String, Value)]) -> [UInt8] {
    var body: [UInt8] = []
    for (name, value) in fields {
      let (kind, data): (UInt8, [UInt8]) =
        switch value {
        case .int(let number): (0x10, bytes(number))
        case .long(let number):
          (0x12, (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * Int64($0))) })
        case .raw(let document): (0x03, document)
        case .bool(let flag): (0x08, [flag ? 1 : 0])
        case .text(let text): (0x02, bytes(Int32(text.utf8.count + 1)) + Array(text.utf8) + [0])
        case .document(let fields): (0x03, document(fields))
        case .array(let values): (0x04, document(values.enumerated().map { (String($0.offset), $0.element) }))
        }
      body += [kind] + Array(name.utf8) + [0] + data
    }
    return bytes(Int32(body.count + 5)) + body + [0]
  }
}
