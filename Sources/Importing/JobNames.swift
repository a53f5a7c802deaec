/// Names jobs after what they run, each name once.
package struct JobNames {
  private var used: Set<String>

  init(taken: Set<String> = []) { used = taken }

  /// The names of jobs that a script declares in so many words: `job "backup"`, `name = "backup"`.
  ///
  /// What is computed is not found, and what only looks like a name is; for choosing another one, both are harmless.
  package static func declared(in lua: String) -> Set<String> {
    var names: Set<String> = []
    var rest = lua[...]
    while let quote = rest.firstIndex(where: { $0 == "\"" || $0 == "'" }) {
      let before = rest[..<quote].drop { !$0.isLetter }.split { " \t\n(={,;".contains($0) }.last
      let text = rest[rest.index(after: quote)...]
      guard let end = text.firstIndex(where: { $0 == rest[quote] || $0.isNewline }) else { break }
      if before == "job" || before == "name" { names.insert(String(text[..<end])) }
      rest = text[text.index(after: end)...]
    }
    return names
  }

  /// A name of its own for `name`: `backup`, `backup-2`, `backup-3`.
  mutating func unique(_ name: String) -> String {
    var candidate = name
    var count = 1
    while !used.insert(candidate).inserted {
      count += 1
      candidate = "\(name)-\(count)"
    }
    return candidate
  }

  /// What a command line is about: `certbot-renew` for `test -x /usr/bin/certbot && nice -n 10 certbot -q renew`.
  ///
  /// The program of its first part that is more than a preparation, and the first word after it that looks like a verb.
  static func name(ofCommandLine line: String) -> String {
    var chosen: [String] = []
    for part in JobNames.parts(line) {
      let words = Array(part.drop { keywords.contains($0) || !isProgram($0) })
      guard let program = words.first.map(baseName) else { continue }
      if chosen.isEmpty { chosen = words }
      // A program in the line itself, `perl -e 'sleep rand 60'`, is what something else waits for; alone, it has no
      // name.
      let isInline = isInterpreter(program) && words.contains { $0 == "-e" || $0 == "-r" }
      if isInline, chosen == words { chosen = [program] }
      guard preparations.contains(program) || isInline else {
        chosen = words
        break
      }
    }
    return name(ofWords: chosen)
  }

  /// The same for a command that is in words already.
  static func name(ofWords words: [String]) -> String {
    var words = words[...]
    var program = words.popFirst().map(baseName) ?? ""
    // What runs another program is passed over, with its options; so is an interpreter.
    while wrappers.contains(program) || isInterpreter(program) {
      words = words.drop { !isProgram($0) }
      guard let next = words.popFirst() else { break }
      program = baseName(next)
    }
    var name = program
    if let verb = words.first(where: { !$0.hasPrefix("-") }), isVerb(verb) {
      name += "-\(verb)"
    } else if program == "run-parts", let directory = words.last {
      name += "-\(baseName(directory))"
    }
    let letters = name.unicodeScalars.map { isNameLetter($0) ? Character($0) : "-" }
    let trimmed = String(letters).split(separator: "-").joined(separator: "-").prefix(60)
    return trimmed.isEmpty ? "job" : String(trimmed)
  }

  /// Words of the shell that a part may begin with.
  private static let keywords: Set<String> = [
    "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "!", "{", "}",
  ]
  /// Parts that only prepare what a line is about.
  private static let preparations: Set<String> = [
    "cd", "test", "[", "[[", "export", "set", ".", "source", "umask", "ulimit", "sleep", "true", "command", "mkdir",
    "echo", "exit",
  ]
  private static let wrappers: Set<String> = [
    "nice", "ionice", "chronic", "flock", "timeout", "sudo", "env", "nohup", "setsid", "exec", "time", "chrt",
    "runuser", "systemd-run", "systemd-cat", "cronic", "stdbuf", "xargs",
  ]
  private static let interpreters = ["python", "perl", "ruby", "php", "node", "bash", "sh", "dash", "zsh", "java"]

  private static func isInterpreter(_ program: String) -> Bool { interpreters.contains { program.hasPrefix($0) } }

  /// The words of each part of a command line, between `;`, `&`, `|`, and brackets. Quotes only hold a word together,
  /// and so does `$(…)`: what it runs is an argument.
  private static func parts(_ line: String) -> [[String]] {
    var parts: [[String]] = [[]]
    var word = ""
    var quote: Character?
    var depth = 0
    func end(_ part: inout [String]) {
      if !word.isEmpty { part.append(word) }
      word = ""
    }
    var previous: Character = " "
    for character in line {
      switch character {
      case _ where quote != nil:
        if character == quote { quote = nil } else { word.append(character) }
      case "\"", "'", "`": quote = character
      case "(" where depth > 0 || previous == "$":
        depth += 1
        word.append(character)
      case ")" where depth > 0:
        depth -= 1
        word.append(character)
      case _ where depth > 0: word.append(character)
      case " ", "\t": end(&parts[parts.count - 1])
      case ";", "|", "&", "\n", "(", ")":
        end(&parts[parts.count - 1])
        parts.append([])
      default: word.append(character)
      }
      previous = character
    }
    end(&parts[parts.count - 1])
    return parts
  }

  /// Whether a word can be a program: no option, number, assignment or redirection. (`10` and `30s` are arguments of
  /// wrappers, lock files are told by their ending.)
  private static func isProgram(_ word: String) -> Bool {
    guard let first = word.first, !"-<>=$0123456789!{}".contains(first) else { return false }
    return !word.contains("=") && !word.hasSuffix(".lock") && !word.hasSuffix(".pid")
  }

  private static func isVerb(_ word: String) -> Bool {
    word.utf8.count >= 2 && word.utf8.allSatisfy { (97...122).contains($0) || $0 == 45 || $0 == 95 || $0 == 58 }
  }

  /// The last part of a path, without the usual endings of scripts.
  private static func baseName(_ path: String) -> String {
    let last = path.split(separator: "/").last.map(String.init) ?? path
    for ending in [".sh", ".py", ".pl", ".rb", ".php", ".js", ".bash", ".jar"]
    where last.hasSuffix(ending) && last.utf8.count > ending.utf8.count {
      return String(last.dropLast(ending.count))
    }
    return last
  }

  private static func isNameLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", ".", "_": true
    default: scalar.value > 127 && scalar.properties.isAlphabetic
    }
  }
}
