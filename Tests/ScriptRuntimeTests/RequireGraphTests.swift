import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("RequireGraph")
struct DirectoryRequireGraphTests {
  private func paths(_ texts: String...) -> Set<ScriptPath> { Set(texts.map { ScriptPath($0) }) }

  private var graph: RequireGraph {
    var graph = RequireGraph()
    graph.record(ScriptPath("a.lua"), asksFor: ["net", "net.retry"])
    graph.record(ScriptPath("b.lua"), asksFor: ["paths", "net"])
    graph.record(ScriptPath("c.lua"), asksFor: [])
    return graph
  }

  @Test("a changed module affects the scripts that asked for it")
  func modules() {
    #expect(graph.scripts(affectedByModules: ["net"]) == paths("a.lua", "b.lua"))
    #expect(graph.scripts(affectedByModules: ["net.retry", "unknown"]) == paths("a.lua"))
    #expect(graph.scripts(affectedByModules: []) == [])
  }

  @Test("changed paths affect themselves and, as modules, their scripts; both files of a module count")
  func changes() {
    #expect(graph.scripts(affectedBy: paths("lib/paths.lua", "c.lua")) == paths("b.lua", "c.lua"))
    #expect(graph.scripts(affectedBy: paths("lib/net/init.lua")) == paths("a.lua", "b.lua"))
    #expect(graph.scripts(affectedBy: paths("new.lua", "lib/other.lua", "../moondial.lua")) == [])
  }

  @Test("recording again replaces")
  func replaces() {
    var graph = graph
    graph.record(ScriptPath("a.lua"), asksFor: ["paths"])
    #expect(graph.scripts(affectedByModules: ["net"]) == paths("b.lua"))
    #expect(graph.scripts(affectedByModules: ["paths"]) == paths("a.lua", "b.lua"))
    #expect(graph.modules(of: ScriptPath("a.lua")) == ["paths"])
  }

  @Test("a removed script is affected by nothing")
  func removes() {
    var graph = graph
    graph.remove(ScriptPath("a.lua"))
    #expect(graph.scripts(affectedByModules: ["net", "net.retry"]) == paths("b.lua"))
    #expect(graph.scripts(affectedBy: paths("a.lua")) == [])
    graph.remove(ScriptPath("b.lua"))
    graph.remove(ScriptPath("c.lua"))
    #expect(graph == RequireGraph())
  }

  @Test("a module can be added later")
  func adds() {
    var graph = graph
    graph.add(ScriptPath("c.lua"), asksFor: "late")
    #expect(graph.scripts(affectedByModules: ["late"]) == paths("c.lua"))
    graph.record(ScriptPath("c.lua"), asksFor: [])
    #expect(graph == self.graph)
  }
}
