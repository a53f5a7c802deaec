import Foundation
import HostModules
import Testing

@Suite("moondial functions, end to end", .timeLimit(.minutes(1)))
struct FunctionsCommandTests {
  private let place: Place

  init() throws { place = try Place() }

  @Test("without a name it prints all names, and nothing else")
  func names() throws {
    let ended = try place.run("functions")
    #expect(ended.status == 0 && ended.errors.isEmpty)
    #expect(ended.output == HostFunctions.names)
    #expect(ended.output.contains("kv.update") && ended.output.contains("ctx.id") && ended.output.contains("sleep"))
  }

  @Test(
    "a name is what editors show of it",
    arguments: [
      ("kv.update", "function kv.update(key, change, options) end"),
      ("ctx.step", "function Context:step(name, body) end"),
      ("ctx.id", "---@field id integer"), ("job", "function job(name) end"),
    ])
  func one(name: String, declaration: String) throws {
    let ended = try place.run("functions", name)
    #expect(ended.status == 0 && ended.errors.isEmpty)
    #expect(ended.output.last?.hasPrefix(declaration) == true, "\(ended.output)")
    #expect(ended.output.dropLast().allSatisfy { $0.hasPrefix("---") }, "\(ended.output)")
  }

  @Test("a module is each of its functions")
  func module() throws {
    let ended = try place.run("functions", "kv")
    let heads = ended.output.filter { $0.hasPrefix("function ") }.map { $0.prefix { $0 != "(" }.dropFirst(9) }
    #expect(heads.map(String.init) == HostFunctions.names.filter { $0.hasPrefix("kv.") } && heads.count > 3)
  }

  @Test("--markdown is the page of the docs, and goes with nothing else")
  func page() throws {
    let ended = try place.run("functions", "--markdown")
    #expect(ended.status == 0 && ended.errors.isEmpty)
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/lua-api/functions.md"), encoding: .utf8)
    #expect(ended.output.joined(separator: "\n") + "\n" == page)
    for more in ["--json", "kv.get"] {
      let refused = try place.run("functions", "--markdown", more)
      #expect(refused.status == 2 && refused.output.isEmpty)
      #expect(refused.errors.joined().contains("--markdown shows all of them; leave out the others"))
    }
  }

  @Test("--json is one list of objects, of all, of a module or of one")
  func json() throws {
    struct Entry: Decodable {
      var name: String
      var types: String?
    }
    func entries(_ words: String...) throws -> [Entry] {
      let ended = try HostProcess.run(["functions"] + words + ["--json"], in: place.path)
      #expect(ended.status == 0 && ended.output.count == 1)
      return try JSONDecoder().decode([Entry].self, from: Data(ended.output.joined().utf8))
    }
    let all = try entries()
    #expect(all.map(\.name) == HostFunctions.names)
    // Editors know print.
    #expect(all.filter { $0.types == nil }.map(\.name) == ["print"])
    #expect(try entries("kv").map(\.name) == HostFunctions.names.filter { $0.hasPrefix("kv.") })
    let one = try #require(try entries("kv.update").first)
    let shown = try place.run("functions", "kv.update").output.joined(separator: "\n")
    #expect(one.name == "kv.update" && one.types == shown)
  }

  @Test(
    "an unknown name is one sentence, with a near one where there is one",
    arguments: [
      ("kv.udpate", #"the host gives scripts no function "kv.udpate"; did you mean kv.update?"#),
      ("jobb", #"the host gives scripts no function "jobb"; did you mean job?"#),
      ("job_table", #"the host gives scripts no function "job_table""#),
      ("string.rep", #"the host gives scripts no function "string.rep""#),
      ("kv.", #"the host gives scripts no function "kv.""#), ("", #"the host gives scripts no function """#),
    ])
  func unknown(name: String, sentence: String) throws {
    for more in [[], ["--json"]] {
      let ended = try HostProcess.run(["functions", name] + more, in: place.path)
      #expect(ended.status == 2 && ended.output.isEmpty)
      #expect(ended.errors.count == 1 && ended.errors.first?.contains(sentence) == true, "\(ended.errors)")
    }
  }

  @Test("shells complete the names", arguments: ["bash", "zsh", "fish"])
  func completion(shell: String) throws {
    let script = try place.run("--generate-completion-script", shell).output.joined(separator: "\n")
    for name in HostFunctions.names { #expect(script.contains(name), "\(name)") }
  }
}
