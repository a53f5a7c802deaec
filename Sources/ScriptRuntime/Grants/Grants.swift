package import FileWatching

/// What a script may do to the machine. By default nothing: time, logs, values of its own, events and other jobs need
/// no grant; files, programs, the environment and secrets do.
package struct Grants: Sendable, Equatable {
  /// Names that are allowed: none, all, or those that match one of some patterns (`HOME`, `APP_*`).
  package enum Names: Sendable, Equatable {
    case none
    case any
    case some([String])

    package func allows(_ name: String) -> Bool {
      switch self {
      case .none: false
      case .any: true
      case .some(let patterns): patterns.contains { Grants.matches(name, pattern: $0) }
      }
    }

    /// What either of two allows.
    func joined(_ other: Names) -> Names {
      switch (self, other) {
      case (.any, _), (_, .any): .any
      case (.none, let names), (let names, .none): names
      case (.some(let own), .some(let others)): .some(own + others.filter { !own.contains($0) })
      }
    }
  }

  /// A directory (or file) and what may be done below it.
  package struct FileRoot: Sendable, Equatable {
    /// Absolute, without `.`, `..` and a trailing slash.
    package var path: String
    package var isWritable: Bool
    package init(path: String, isWritable: Bool) {
      self.path = path
      self.isWritable = isWritable
    }
  }

  package enum Files: Sendable, Equatable {
    case any
    case below([FileRoot])

    func joined(_ other: Files) -> Files {
      guard case .below(let own) = self, case .below(let others) = other else { return .any }
      return .below(own + others.filter { !own.contains($0) })
    }
  }

  package var files = Files.below([])
  /// Programs: `pg_dump` of the host's `PATH`, or absolute paths, `/usr/bin/find`, `/opt/tools/*` (see
  /// `ProgramFinder`).
  package var exec = Names.none
  /// Environment variables that a script may set for a program. Patterns do not cover those of `ProgramVariables`.
  package var execEnvironment = Names.none
  /// Environment variables that a script may read.
  package var env = Names.none
  package var secret = Names.none
  /// Hosts and addresses that a script may ask over the network.
  package var http = HTTPGrants()
  /// Mail servers that a script may send through.
  package var mail = HTTPGrants()

  package init() {}

  package static let none = Grants()
  /// `--allow-all`.
  package static let all: Grants = {
    var all = Grants()
    all.files = .any
    all.exec = .any
    all.execEnvironment = .any
    all.env = .any
    all.secret = .any
    all.http = .all
    all.mail = .all
    return all
  }()

  /// What one of two allows.
  package func joined(_ other: Grants) -> Grants {
    var result = self
    result.files = files.joined(other.files)
    result.exec = exec.joined(other.exec)
    result.execEnvironment = execEnvironment.joined(other.execEnvironment)
    result.env = env.joined(other.env)
    result.secret = secret.joined(other.secret)
    result.http = http.joined(other.http)
    result.mail = mail.joined(other.mail)
    return result
  }

  /// Whether the error of a run of `script` is that a grant is missing. Trying again cannot help: only `moondial.lua`
  /// can.
  static func isRefusal(_ message: String, to script: ScriptPath) -> Bool {
    message.contains("\(script)\(lacks)") || message.contains(FileLocationError.leadsOut)
  }

  private static let lacks = " has no grant for "

  /// The sentence for a script that lacks a grant, with the line to add.
  package static func refusal(of what: String, to script: ScriptPath, grant: String) -> String {
    "\(script)\(lacks)\(what): add  grants = { [\"\(script.text)\"] = { \(grant) } }  to moondial.lua, "
      + "or start the host with --allow-all"
  }

  /// Whether `name` matches `pattern`, in which each `*` stands for any number of characters.
  static func matches(_ name: String, pattern: String) -> Bool {
    matches(Array(name.utf8), pattern: Array(pattern.utf8))
  }

  package static func matches(_ name: [UInt8], pattern: [UInt8]) -> Bool {
    var (at, cursor) = (0, 0)
    // Where to go back to: the last star, and the character that it takes next. Linear space, no recursion.
    var star: (cursor: Int, at: Int)?
    while at < name.count {
      if cursor < pattern.count, pattern[cursor] == UInt8(ascii: "*") {
        star = (cursor, at)
        cursor += 1
      } else if cursor < pattern.count, pattern[cursor] == name[at] {
        cursor += 1
        at += 1
      } else if let last = star {
        star = (last.cursor, last.at + 1)
        cursor = last.cursor + 1
        at = last.at + 1
      } else {
        return false
      }
    }
    return pattern[cursor...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
