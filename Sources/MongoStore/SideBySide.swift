internal import Basics

/// Sends commands of which none waits for another over several connections at once: a server alone has one thread for
/// each, and each command waits for its disk.
///
/// Owned by one thread. Its threads end by themselves when there is nothing to send.
struct SideBySide {
  private let server: MongoServer
  private let pool = BlockingPool(name: "mongo-writer", threads: 2)

  init(_ server: MongoServer) { self.server = server }

  /// Returns when all have been answered; the caller's thread sends some of them, over `client`, and all of them when
  /// the system gives no thread.
  ///
  /// - Parameter mayWrite: throws when no more may be sent; asked before each command, on the thread that sends it.
  /// - Throws: the first failure of any.
  func run(
    _ commands: [WriteCommand], _ client: MongoClient, _ mayWrite: @escaping WriteCommand.Permission
  ) throws(ServerError) {
    let work = Monitor((next: 0, underWay: 0, failure: ServerError?.none))
    @Sendable func send(over client: MongoClient) {
      while let command = next() {
        do throws(ServerError) {
          try command.run(client, mayWrite)
        } catch {
          work.change { $0.failure = $0.failure ?? error }
        }
        work.change { $0.underWay -= 1 }
      }
    }
    @Sendable func next() -> WriteCommand? {
      work.withLock { work in
        guard work.next < commands.count, work.failure == nil else { return nil }
        work.next += 1
        work.underWay += 1
        return commands[work.next - 1]
      }
    }
    let server = server
    for _ in commands.dropFirst().prefix(2) {
      // Without a connection, or a thread, the others send what is there.
      pool.run { _ = try? server.withClient { (client) throws(ServerError) in send(over: client) } }
    }
    send(over: client)
    let failure = work.wait { $0.underWay == 0 ? .some($0.failure) : nil }
    if let failure, let failure { throw failure }
  }

  func close() { pool.stop() }
}
