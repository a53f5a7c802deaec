import Chronology
import Foundation
import Lua
import ScriptFixtures
import Testing

@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

/// The names of what scripts have are in one table. Who shows them has each of them, and no other.
@Suite("The names of host functions")
struct HostFunctionNamesTests {
  @Test("the table is the sandbox of a run, and ctx")
  func sandbox() throws {
    let evaluator = try ExpressionEvaluator(runtime: LuaHost(services: .unwired).runtime, zones: TimeZoneDatabase())
    let globals = try #require(evaluator.fields(of: "_G")).filter { !LoadEditorFilesTests.stock.contains($0) }
    var found: Set = ["print"]
    for name in globals {
      guard let fields = evaluator.fields(of: name) else {
        found.insert(name)
        continue
      }
      for field in fields { found.insert("\(name).\(field)") }
    }
    found.formUnion(ContextModule.fields.map { "ctx." + $0 })
    let names = Set(HostFunctions.names)
    #expect(names.count == HostFunctions.names.count && names.count > 80)
    #expect(names.subtracting(found) == [] && found.subtracting(names) == [])
  }

  @Test("types for editors have an entry for each but print, which they know", arguments: HostFunctions.names)
  func types(name: String) throws {
    guard name != "print" else { return #expect(EditorFiles.entry(of: name) == nil) }
    let last = try #require(EditorFiles.entry(of: name)?.split(separator: "\n").last, "\(name)")
    let field = name.split(separator: ".").last ?? ""
    let heads = ["function \(name)(", "function Context:\(field)(", "---@field \(field)", "\(name) = "]
    #expect(heads.contains { last.hasPrefix($0) }, "\(last)")
  }

  @Test("each has a summary and an example, fields but one of them", arguments: HostFunctions.names)
  func entries(name: String) throws {
    let text =
      try EditorFiles.entry(of: name)
      ?? {
        try #require(name == "print"); return ""
      }()
    guard text.contains("\nfunction ") else { return }
    let entry = try #require(EditorEntry(name))
    #expect(entry.summary.hasSuffix("."), "\(entry.summary)")
    #expect(
      !entry.example.isEmpty
        && entry.example.contains {
          $0.contains(name.replacing("ctx.", with: "ctx:") + "(") || $0.contains(name + " {")
        })
  }

  @Test("types for editors have no other")
  func noOtherTypes() {
    let declaring = Set(DeclareModules.modules.flatMap { $0.functions.map(\.name) })
    for line in EditorFiles.typeStubs.split(separator: "\n") where line.hasPrefix("function ") {
      let name = String(line.dropFirst("function ".count).prefix { $0 != "(" })
      if let method = name.firstRange(of: ":") {
        guard name[..<method.lowerBound] == "Context" else { continue }
        #expect(HostFunctions.names.contains("ctx.\(name[method.upperBound...])"), "\(name)")
      } else {
        #expect(HostFunctions.names.contains(name) || declaring.contains(name), "\(name)")
      }
    }
  }

  @Test("docs/lua-api/functions.md is made of the table, and the other pages speak of nothing else")
  func documentation() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/lua-api/functions.md"), encoding: .utf8)
    #expect(page == FunctionsPage.text(HostFunctions.names), "make reference writes it anew")
    for name in HostFunctions.names where name != "print" {
      #expect(
        page.contains("\n### \(name.replacing("ctx.", with: "ctx:"))(") || page.contains("\n| `\(name)` |"), "\(name)")
    }
    let modules = try String(contentsOf: root.appending(path: "docs/lua-api/modules.md"), encoding: .utf8)
    let context = try String(contentsOf: root.appending(path: "docs/lua-api/ctx.md"), encoding: .utf8)
    let known = Set(HostFunctions.names).union(["jobs.md"])
    let places = #/\b(log|time|json|kv|jobs|hash|metric|fs|http|csv|template|sqlite|mail|env|ctx)[.:]([a-z_0-9]+)/#
    for match in (modules + context).matches(of: places) {
      #expect(known.contains("\(match.1).\(match.2)"), "\(match.0)")
    }
  }

  @Test("what `check` knows of grants are functions that there are")
  func check() {
    let names =
      CodeCheck.requests.map { "http.\($0)" } + (CodeCheck.readers.union(CodeCheck.writers)).map { "fs.\($0)" }
    #expect(Set(names).subtracting(HostFunctions.names) == [])
    let files = Set(HostFunctions.names.filter { $0.hasPrefix("fs.") }).subtracting(names)
    #expect(files == ["fs.glob", "fs.temp"], "of these the first argument is no path")
    #expect(Set(HostFunctions.names.filter { $0.hasPrefix("http.") }).subtracting(names) == ["http.request"])
  }
}
