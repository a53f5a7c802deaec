import Basics
import Foundation
import Glibc
import HTTPTransfer
import LoopbackHTTP
import Synchronization
import Testing

/// What a test permits.
private struct TestPolicy: HTTPPolicy {
  var permitted: @Sendable (IPAddress) -> Bool = { _ in true }
  func refusal(of url: HTTPURL) -> String? { url.host.hasPrefix("no.") ? "not \(url.host)" : nil }
  func permits(_ address: IPAddress, for url: HTTPURL) -> Bool { permitted(address) }
  func refusal(of address: IPAddress, for url: HTTPURL) -> String { "not \(address)" }
}

/// Requests that complete into a list.
private final class Answers: Sendable {
  let list = Monitor<[Result<HTTPResponse, HTTPFailure>]>([])
  func add(_ result: Result<HTTPResponse, HTTPFailure>) {
    list.withLock { $0.append(result) }
    list.broadcast()
  }
  func wait(_ count: Int) -> [Result<HTTPResponse, HTTPFailure>] { list.wait { $0.count >= count ? $0 : nil }! }
}

@Suite struct HTTPClientTests {
  private func memory(_ limit: Int = 1 << 20) -> MemorySink { MemorySink(limit: limit) { _, _ in true } }

  private func ask(
    _ client: HTTPClient, _ url: String, policy: TestPolicy = TestPolicy(), edit: (inout HTTPRequest) -> Void = { _ in }
  ) throws -> (Result<HTTPResponse, HTTPFailure>, String) {
    let sink = memory()
    var request = HTTPRequest(method: "GET", url: try HTTPURL(url), sink: sink, policy: policy)
    edit(&request)
    let answers = Answers()
    _ = client.start(request) { answers.add($0) }
    return (answers.wait(1)[0], String(decoding: sink.bytes, as: UTF8.self))
  }

  @Test("a name that leads to a forbidden address is not connected to, nor one whose address changes after the check")
  func rebinding() throws {
    let server = try LoopbackServer { _, connection in connection.answer(200, "reached") }
    let lookups = Atomic(0)
    let resolver = NameResolver { host in
      lookups.add(1, ordering: .relaxed)
      return ([IPAddress("127.0.0.1")!], "")
    }
    let client = HTTPClient(resolver: resolver)
    defer { client.stop() }
    let noLoopback = TestPolicy(permitted: { $0.isPublic })
    let (refused, _) = try ask(client, server.url(host: "inner.test"), policy: noLoopback)
    #expect(throws: HTTPFailure(.denied, "GET http://inner.test:\(server.port)/: not 127.0.0.1")) { try refused.get() }
    // Permitted when the name is looked up, and not any more when the socket is to be opened: what a resolver that answers
    // twice would do.
    let asked = Atomic(0)
    let once = TestPolicy(permitted: { _ in asked.add(1, ordering: .relaxed).newValue == 1 })
    let (late, _) = try ask(client, server.url(host: "late.test"), policy: once)
    #expect(throws: HTTPFailure.self) { try late.get() }
    guard case .failure(let failure) = late else { return }
    #expect(failure.kind == .denied, "\(failure)")
    #expect(server.accepted == 0)
    #expect(asked.load(ordering: .relaxed) >= 2)
  }

  @Test("a connection that was kept is not given to a request that may not have it")
  func reused() throws {
    let server = try LoopbackServer { _, connection in
      connection.answer(200, "reached")
      connection.keep()
    }
    let client = HTTPClient(resolver: NameResolver { _ in ([IPAddress("127.0.0.1")!], "") })
    defer { client.stop() }
    for _ in 0..<3 {
      let (answer, body) = try ask(client, server.url(host: "kept.test"))
      #expect(try answer.get().status == 200 && body == "reached")
    }
    #expect(server.accepted == 1)
    // The lookup is permitted, the connection that is there is not.
    let asked = Atomic(0)
    let policy = TestPolicy(permitted: { _ in asked.add(1, ordering: .relaxed).newValue == 1 })
    let (refused, _) = try ask(client, server.url(host: "kept.test"), policy: policy)
    guard case .failure(let failure) = refused else {
      Issue.record("it was answered")
      return
    }
    #expect(failure.kind == .denied)
    #expect(server.requests.count == 3)
  }

  @Test("a thousand requests under way need no more threads than ten, and cancelled ones leave nothing")
  func thousand() throws {
    var limit = rlimit()
    // Safe: one struct is written, and read.
    unsafe _ = getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit)
    let former = limit
    limit.rlim_cur = min(8_192, limit.rlim_max)
    unsafe _ = setrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit)
    defer {
      var back = former
      unsafe _ = setrlimit(Int32(RLIMIT_NOFILE.rawValue), &back)
    }
    let count = limit.rlim_cur >= 4_096 ? 1_000 : 100
    let server = try HoldingServer()
    let client = HTTPClient(resolver: NameResolver { _ in ([IPAddress("127.0.0.1")!], "") })
    defer { client.stop() }
    let answers = Answers()
    func start(_ number: Int) throws -> Int? {
      let request = HTTPRequest(
        method: "GET", url: try HTTPURL("http://h\(number % 7).test:\(server.port)/"), sink: memory(),
        policy: TestPolicy())
      return client.start(request) { answers.add($0) }
    }
    var numbers: [Int?] = []
    for number in 0..<10 { numbers.append(try start(number)) }
    server.waitForOpen(10)
    let few = Self.threads()
    for number in 10..<count { numbers.append(try start(number)) }
    server.waitForOpen(count)
    #expect(Self.threads() <= few)
    #expect(client.count == count)
    // Half of them are cancelled, the others answered.
    for number in numbers[..<(count / 2)] { client.cancel(try #require(number)) }
    client.waitForCount(count / 2)
    server.waitForGone(count / 2)
    server.answerAll()
    let results = answers.wait(count / 2)
    #expect(results.allSatisfy { (try? $0.get().status) == 200 })
    client.waitForCount(0)
    #expect(answers.list.withLock { $0.count } == count / 2)
  }

  /// Threads of this client: the others of the test process come and go.
  private static func threads() -> Int {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.filter { task in
      let name = (try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)) ?? ""
      return name.hasPrefix("moondial-http") || name.hasPrefix("moondial-dns")
    }.count
  }

  @Test("the thread comes with the first request, and goes with its connections when nothing is asked")
  func idle() throws {
    let server = try LoopbackServer { _, connection in
      connection.answer(200, "x")
      connection.keep()
    }
    let client = HTTPClient(idleAfter: 50_000_000)
    #expect(!client.hasThread)
    for _ in 0..<2 {
      #expect(try ask(client, server.url()).0.get().status == 200)
      // The kept connection is closed by its end.
      #expect(server.wait { $0.open == 0 })
    }
    client.stop()
    #expect(
      client.start(HTTPRequest(method: "GET", url: try HTTPURL(server.url()), sink: memory(), policy: TestPolicy())) {
        _ in
      } == nil)
    client.stop()
  }

  @Test("what does not fit into memory waits, and an answer that is compressed too")
  func room() throws {
    let zipped = try #require(Self.gzip(String(repeating: "moon", count: 200_000)))
    let server = try LoopbackServer { request, connection in
      if request.path == "/zip" {
        connection.answer(200, zipped, ["Content-Encoding: gzip"])
      } else {
        connection.answer(200, String(repeating: "moon", count: 200_000))
      }
    }
    let client = HTTPClient()
    defer { client.stop() }
    for path in ["/plain", "/zip"] {
      let waiting = Monitor<[@Sendable () -> Void]>([])
      let sink = MemorySink(limit: 1 << 20) { _, ready in
        waiting.withLock { $0.append(ready) }
        waiting.broadcast()
        return false
      }
      let answers = Answers()
      let request = HTTPRequest(method: "GET", url: try HTTPURL(server.url(path)), sink: sink, policy: TestPolicy())
      _ = client.start(request) { answers.add($0) }
      // Each wish is granted after a while, from another thread.
      let granter = try NamedThread("granter") {
        while let ready = waiting.wait(for: { $0.popLast() }) {
          ready()
          if answers.list.withLock({ !$0.isEmpty }) { return }
        }
      }
      #expect(try answers.wait(1)[0].get().status == 200)
      waiting.withLock { $0.append({}) }
      waiting.broadcast()
      granter.join()
      #expect(sink.bytes.count == 800_000, "\(path)")
    }
  }

  /// Made by the system's gzip.
  static func gzip(_ text: String) -> [UInt8]? {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { try? FileManager.default.removeItem(atPath: place) }
    guard (try? text.write(toFile: place, atomically: false, encoding: .utf8)) != nil else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/gzip")
    process.arguments = ["-c", place]
    let output = Pipe()
    process.standardOutput = output
    guard (try? process.run()) != nil else { return nil }
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Array(bytes)
  }
}

/// Takes connections and answers none until it is told, all on one thread.
private final class HoldingServer: Sendable {
  let port: Int
  private let listener: Int32
  private let connections = Monitor<[Int32]>([])

  init() throws {
    (listener, port) = try LoopbackServer.listen()
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0, let self else { return }
        connections.withLock { $0.append(descriptor) }
        connections.broadcast()
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
    connections.withLock { for descriptor in $0 { close(descriptor) } }
  }

  func waitForOpen(_ count: Int) { _ = connections.wait { $0.count >= count ? () : nil } }

  /// POLLRDHUP, which Glibc shows to GNU sources only.
  private static let hangUp: Int16 = 0x2000

  /// Returns when so many of the clients have closed.
  func waitForGone(_ count: Int) {
    var gone = 0
    while gone < count {
      gone = 0
      for descriptor in connections.withLock({ $0 }) {
        var entry = pollfd(fd: descriptor, events: Self.hangUp, revents: 0)
        // Safe: one structure.
        if unsafe poll(&entry, 1, 0) > 0, entry.revents & Self.hangUp != 0 { gone += 1 }
      }
      sched_yield()
    }
  }

  func answerAll() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    for descriptor in connections.withLock({ $0 }) {
      // Safe: the text outlives the call.
      _ = unsafe send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL))
    }
  }
}
