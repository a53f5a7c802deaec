import Lua
import Testing

@Suite("Hostile scripts")
struct HostileTests {
  static let runtime: LuaRuntime = {
    var configuration = LuaConfiguration()
    configuration.grace = 10_000_000
    configuration.memoryLimit = 16 << 20
    return Fixture.make(configuration)
  }()

  /// A script that ends by itself gets as long as a slow machine needs; one that does not is stopped soon.
  private func timeout(_ script: HostileScript) -> Int64 {
    script.ends.contains(.deadline) ? 40_000_000 : 20_000_000_000
  }

  /// What a good job gives after each of them.
  private func expectGoodJob() throws {
    #expect(
      try Fixture.run("local t = {} for i = 1, 10 do t[i] = i * i end return table.concat(t, ',')", in: Self.runtime)
        == "1,4,9,16,25,36,49,64,81,100")
  }

  @Test("as the body of a job, twice in one process", arguments: HostileScript.all)
  func job(_ script: HostileScript) throws {
    for round in 1...2 {
      let end: HostileScript.End
      do {
        _ = try Fixture.run(script.source, in: Self.runtime, timeout: timeout(script))
        end = .fine
      } catch let stopped as Fixture.Stopped {
        end = stopped.stop.reason == .outOfMemory ? .memory : .deadline
      } catch let error as LuaError {
        end = error.kind == .memory ? .memory : .error
        #expect(error.message.utf8.count <= 3 * 4096)
      }
      #expect(script.ends.contains(end), "round \(round): \(end) instead of \(script.ends)")
      try expectGoodJob()
    }
  }

  @Test("as a top level, twice in one process", arguments: HostileScript.all)
  func topLevel(_ script: HostileScript) throws {
    for round in 1...2 {
      let declaration = try Self.runtime.makeDeclaration(memoryLimit: 16 << 20, timeout: timeout(script))
      let end: HostileScript.End
      do {
        _ = try declaration.evaluate(script.source, chunkName: "hostile.lua")
        end = .fine
      } catch {
        end =
          switch error.kind {
          case .memory: .memory
          case .deadline, .cancelled: .deadline
          default: .error
          }
      }
      // Clocks are refused while a script is loading; a result that is a function or large value cannot leave.
      let allowed: HostileScript.End = script.source.contains("os.date") ? script.ends + .error : script.ends
      #expect(allowed.contains(end), "round \(round): \(end) instead of \(allowed)")
      try expectGoodJob()
    }
  }
}
