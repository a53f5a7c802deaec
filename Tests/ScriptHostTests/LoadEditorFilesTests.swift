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
