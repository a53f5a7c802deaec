import Basics
import HTTPFixtures
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import HostAPI

@Suite("The tasks of the server's thread", .timeLimit(.minutes(1)))
struct LoopExecutorTests {
  @Test("tasks that are never done do not keep the thread from its connections")
  func endless() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let executor = LoopExecutor(group.any())
    let isOver = Atomic(false)
    let accepted = Monitor(0)
    let listener = try await ServerBootstrap(group: group)
      .childChannelInitializer { channel in
        accepted.change { $0 += 1 }
        return channel.close()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let task = Task(executorPreference: executor) {
      while !isOver.load(ordering: .relaxed) { await Task.yield() }
    }
    let client = try RawClient(port: try #require(listener.localAddress?.port))
    try client.awaitClose()
    #expect(accepted.withLock { $0 } == 1)
    isOver.store(true, ordering: .relaxed)
    await task.value
    try await listener.close()
    try await group.shutdownGracefully()
  }
}
