import Chronology
import ScriptFixtures
import Testing
import Triggers

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("files for editors")
struct LoadEditorFilesTests {
  @Test("every constructor and every field is in the stubs")
  func complete() {
    let stubs = EditorFiles.typeStubs
    for name in TriggerBuilder.constructors { #expect(stubs.contains("\nfunction \(name)("), "\(name)") }
    for field in JobField.names(in: .job) { #expect(stubs.contains("---@field \(field)"), "\(field)") }
    #expect(!stubs.contains("Not in this version"))
  }

  /// What stock Lua has, which editors know.
  static let stock: Set<String> = [
    "_G", "_VERSION", "assert", "collectgarbage", "coroutine", "debug", "error", "getmetatable", "io", "ipairs", "load",
    "math", "next", "os", "package", "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require",
    "select", "setmetatable", "string", "table", "tonumber", "tostring", "type", "utf8", "warn", "xpcall", "dofile",
    "loadfile",
  ]

  @Test("every name of the sandbox is in the stubs, and no other")
  func sandbox() throws {
    let evaluator = try ExpressionEvaluator(
      runtime: LuaHost(services: .unwired, declareModules: DeclareModules.modules).runtime, zones: TimeZoneDatabase())
    let stubs = EditorFiles.typeStubs
    let globals = try #require(evaluator.fields(of: "_G")).filter { !Self.stock.contains($0) }
    #expect(globals.count > 30)
    var known: Set<String> = []
    for name in globals {
      let fields = evaluator.fields(of: name)
      if fields == nil {
        #expect(stubs.contains("\nfunction \(name)("), "\(name)")
        known.insert(name)
      } else {
        #expect(stubs.contains("\n\(name) = {}\n"), "\(name)")
      }
      for field in fields ?? [] {
        known.insert("\(name).\(field)")
        #expect(
          stubs.contains("\nfunction \(name).\(field)(") || stubs.contains("\n\(name).\(field) = "), "\(name).\(field)")
      }
    }
    // What the stubs have and the sandbox has not would be completed, and fail.
    for line in stubs.split(separator: "\n") where line.hasPrefix("function ") {
      let name = String(line.dropFirst("function ".count).prefix { $0 != "(" })
      if !name.contains(":") { #expect(known.contains(name), "\(name)") }
    }
  }

  @Test("every field of ctx is in the stubs, and no other; on_error gets a table")
  func context() {
    let stubs = EditorFiles.typeStubs
    for field in ContextModule.fields {
      #expect(
        stubs.contains("\n---@field \(field) ") || stubs.contains("\n---@field \(field)? ")
          || stubs.contains("\nfunction Context:\(field)("), "\(field)")
    }
    for line in stubs.split(separator: "\n") where line.hasPrefix("function Context:") {
      let name = String(line.dropFirst("function Context:".count).prefix { $0 != "(" })
      #expect(ContextModule.fields.contains(name), "\(name)")
    }
    #expect(stubs.contains("---@field on_error? fun(ctx: moondial.Context, err: moondial.Error)"))
    #expect(!stubs.contains("dashboard"))
  }

  @Test("the stubs are Lua that loads")
  func valid() throws {
    let generation = try LoadFixture().load([
      "types.lua": EditorFiles.typeStubs.replacing("function job(name) end", with: "")
    ])
    #expect(generation.errors.filter { $0.message.contains("near") }.isEmpty)
  }

  @Test(
    "sizes read and print",
    arguments: [
      ("64MB", 64 << 20), ("64 mb", 64 << 20), ("1.5GB", 1536 << 20), ("512KiB", 512 << 10), ("10", 10), ("1k", 1024),
      ("0", 0),
    ])
  func sizes(_ text: String, _ bytes: Int) {
    #expect(SizeText.parse(text) == bytes)
    #expect(SizeText.parse(SizeText.format(bytes)) == bytes)
  }

  @Test(
    "what is no size",
    arguments: ["", "MB", "-1MB", "1.MB", ".5MB", "1e3", "64 MB ", "1TB", "1  MB", "99999999999999999999"])
  func noSizes(_ text: String) {
    #expect(SizeText.parse(text) == nil)
  }
}
