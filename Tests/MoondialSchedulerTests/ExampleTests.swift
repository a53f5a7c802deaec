import Foundation
import Testing

@Suite("The programs of examples/swift", .timeLimit(.minutes(2)))
struct ExampleTests {
  /// Beside the test bundle, where the package manager puts every product of one build.
  private static let products: URL = {
    let tests =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: tests).deletingLastPathComponent()
  }()

  private struct Result {
    var status: Int32
    var output: [String]
    var errors: String

    func count(_ part: String) -> Int { output.count { $0.contains(part) } }
  }

  /// Runs a program to its end, off the cooperative pool.
  ///
  /// - Parameter signal: sent when its first line has come.
  private func run(_ name: String, _ arguments: String..., signal: Int32? = nil) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      let process = Process()
      // Into a pipe, a program writes its lines when there are many; stdbuf(1) has it write each at once.
      process.executableURL = URL(fileURLWithPath: "/usr/bin/stdbuf")
      process.arguments = ["-oL", Self.products.appendingPathComponent(name).path] + arguments
      let (output, errors) = (Pipe(), Pipe())
      process.standardOutput = output
      process.standardError = errors
      process.standardInput = FileHandle.nullDevice
      do { try process.run() } catch { return continuation.resume(throwing: error) }
      Thread.detachNewThread {
        // Neither writes so much that the other's pipe could fill meanwhile.
        var bytes = Data()
        if let signal {
          bytes = output.fileHandleForReading.availableData
          kill(process.processIdentifier, signal)
        }
        bytes += output.fileHandleForReading.readDataToEndOfFile()
        let text = String(decoding: bytes, as: UTF8.self)
        let problems = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        continuation.resume(
          returning: Result(
            status: process.terminationStatus, output: text.split(separator: "\n").map(String.init), errors: problems))
      }
    }
  }

  @Test("all of them do what they say, side by side")
  func all() async throws {
    async let background = run("Background", "3.5")
    async let blocking = run("Blocking", "3.5")
    async let skipped = run("Skipped", "4.5")
    async let two = run("TwoInstances", "4.5")
    async let service = run("AsyncService", "3.5")

    let first = try await background
    #expect(first.status == 0 && first.errors.isEmpty, "\(first)")
    #expect((1...4).contains(first.count("tick")) && first.output.last == "stopped", "\(first)")

    let second = try await blocking
    #expect(second.status == 0 && second.errors.isEmpty, "\(second)")
    #expect((1...4).contains(second.count("tick")) && second.output.last == "stopped", "\(second)")

    let third = try await skipped
    #expect(third.status == 0, "\(third)")
    #expect(
      third.errors.contains("Execution of job \"slow\" skipped: maximum number of running instances reached (1)"),
      "\(third)")
    // One at a time: a run begins when the one before has ended.
    for (index, line) in third.output.enumerated() {
      #expect(line.hasSuffix(index % 2 == 0 ? "begins" : "ends"), "\(third)")
    }

    let fourth = try await two
    #expect(fourth.status == 0, "\(fourth)")
    #expect(fourth.output.prefix(2).allSatisfy { $0.hasSuffix("begins") }, "\(fourth)")
    #expect(fourth.count("begins") == fourth.count("ends"), "\(fourth)")

    let last = try await service
    #expect(last.status == 0, "\(last)")
    #expect(last.output.contains("serving") && last.count("tick") >= 1 && last.output.last == "drained", "\(last)")
  }

  @Test("a signal drains a blocking program", arguments: [SIGINT, SIGTERM])
  func signal(_ signal: Int32) async throws {
    let result = try await run("Blocking", "3600", signal: signal)
    #expect(result.status == 0 && result.output.last == "stopped", "\(result)")
  }

  @Test("many threads run many instances, configured in each of the three ways")
  func threads() async throws {
    async let value = run("ManyThreads", "3.5", "value")
    async let settings = run("ManyThreads", "3.5", "settings")
    async let late = run("ManyThreads", "3.5", "late")
    for result in [try await value, try await settings, try await late] {
      #expect(result.status == 0 && result.errors.isEmpty, "\(result)")
      // "a 1 on thread 139… of process 42": three of each of two jobs at a time.
      let threads = Set(result.output.compactMap { $0.split(separator: " ").dropFirst(4).first })
      let processes = Set(result.output.compactMap { $0.split(separator: " ").last })
      #expect(threads.count >= 4 && processes.count == 1, "\(result)")
      #expect(result.count("a ") >= 2 && result.count("b ") >= 2, "\(result)")
    }
  }
}
