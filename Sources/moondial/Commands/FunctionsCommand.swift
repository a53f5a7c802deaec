import ArgumentParser
import HostModules
import Lua
import ScriptLoading

struct FunctionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "functions",
    abstract: "What scripts can call in a run, or what one of these does.",
    discussion: """
      Examples:
        moondial functions             all names
        moondial functions kv          what is in kv
        moondial functions kv.update   what it takes and returns, as editors show it
        moondial functions --markdown  all that editors show, as one page
      What scripts call at their top level is shown by its name: job, cron.
      """)

  @Argument(help: "A function, a field of ctx, or a module, such as fs.", completion: .list(HostFunctions.names))
  var name: String?
  @Flag(help: "One JSON document.") var json = false
  @Flag(help: "All of them, with their examples, as a page of Markdown.") var markdown = false

  func validate() throws {
    if markdown, json || name != nil { throw ValidationError("--markdown shows all of them; leave out the others") }
  }

  func run() throws {
    if markdown {
      let page = FunctionsPage.text(HostFunctions.names).dropLast()
      return page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).forEach(Terminal.line)
    }
    let found = try name.map(Self.find) ?? HostFunctions.names
    if json { return Terminal.json(JSONObject.array(found.map(Self.document))) }
    guard name != nil else { return found.forEach(Terminal.line) }
    for (number, name) in found.enumerated() {
      if number > 0 { Terminal.line("") }
      for line in (EditorFiles.entry(of: name) ?? name).split(separator: "\n") { Terminal.line(String(line)) }
    }
  }

  /// What goes by a name: itself, all of a module, or what scripts call at their top level.
  private static func find(_ name: String) throws -> [String] {
    let found = HostFunctions.names.filter { $0 == name || $0.hasPrefix(name + ".") }
    if !found.isEmpty { return found }
    let declaring = DeclareModules.modules.flatMap { $0.functions.map(\.name) }.filter {
      EditorFiles.entry(of: $0) != nil
    }
    if declaring.contains(name) { return [name] }
    let hint = closestName(to: name, in: HostFunctions.names + declaring).map { "; did you mean \($0)?" } ?? ""
    throw CommandFailure(.usage, "the host gives scripts no function \"\(name)\"\(hint)")
  }

  private static func document(_ name: String) -> String {
    var document = JSONObject()
    document.set("name", name)
    document.set("types", EditorFiles.entry(of: name))
    return document.json
  }
}
