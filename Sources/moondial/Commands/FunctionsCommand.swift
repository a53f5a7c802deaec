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
        moondial functions            all names
        moondial functions kv.update  what it takes and returns, as editors show it
      docs/lua-api has an example of each.
      """)

  @Argument(help: "A function, or a field of ctx; or a module: fs.", completion: .list(HostFunctions.names))
  var name: String?

  func run() throws {
    guard let name else {
      for name in HostFunctions.names { Terminal.line(name) }
      return
    }
    let found = HostFunctions.names.filter { $0 == name || $0.hasPrefix(name + ".") }
    guard !found.isEmpty else {
      let hint = closestName(to: name, in: HostFunctions.names).map { "; did you mean \($0)?" } ?? ""
      throw CommandFailure(.usage, "scripts have no function \(name)\(hint)")
    }
    for (number, name) in found.enumerated() {
      if number > 0 { Terminal.line("") }
      for line in (EditorFiles.entry(of: name) ?? name).split(separator: "\n") { Terminal.line(String(line)) }
    }
  }
}
