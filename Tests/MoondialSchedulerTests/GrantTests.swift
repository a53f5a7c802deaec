import FileWatching
import Lua
import ScriptRuntime
import Testing

@testable import MoondialScheduler

@Suite("Grants of a program")
struct GrantTests {
  /// One value for every field, by the name that it has in moondial.lua.
  private static let whole = Configuration.Grant(
    files: ["data:rw"], exec: ["tar"], execEnv: ["LANG"], env: ["HOME"], secret: ["db"], http: ["example.org"],
    mail: ["mail.example.org"])

  private static var fields: [String] {
    guard case .table(let table) = whole.value else { return [] }
    return table.fields.map(\.key)
  }

  @Test("whatever moondial.lua can grant, a program can, and nothing else")
  func keys() throws {
    #expect(Self.fields.sorted() == GrantTable.kinds.sorted())
    // And no field of the value is left out of it: each is a list, but for the one that says everything.
    let names = Mirror(reflecting: Self.whole).children.compactMap(\.label)
    #expect(names.count == GrantTable.kinds.count + 1, "\(names)")
  }

  @Test("each key is read as the grant that it is", arguments: fields)
  func values(key: String) throws {
    guard case .table(let table) = Self.whole.value, let value = table[key] else {
      Issue.record("no value for \(key)")
      return
    }
    func grants(_ fields: [(key: String, value: LuaValue)]) throws -> Grants {
      let entry = LuaValue.table(LuaTable(fields: [("*", .table(LuaTable(fields: fields)))]))
      return try GrantTable(entry, baseDirectory: "/base").grants(for: ScriptPath("a.lua"))
    }
    #expect(try grants([(key, value)]) != grants([]))
  }
}
