/// Names jobs after what they run, each name once.
struct JobNames {
  private var used: Set<String> = []

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
    for part in line.replacing("&&", with: "\n").replacing("||", with: "\n").split(whereSeparator: {
      ";|&\n()".contains($0)
    }) {
      let words = JobNames.words(part).drop { !isProgram($0) }
      guard let program = words.first else { continue }
      if chosen.isEmpty { chosen = Array(words) }
      guard preparations.contains(baseName(program)) else {
        chosen = Array(words)
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
    while wrappers.contains(program) || interpreters.contains(where: { program.hasPrefix($0) }) {
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

  /// Parts that only prepare what a line is about.
  private static let preparations: Set<String> = [
    "cd", "test", "[", "[[", "export", "set", ".", "source", "umask", "ulimit", "sleep", "true", "command", "if",
    "then",
    "fi", "while", "do", "done", "else", "mkdir", "echo",
  ]
  private static let wrappers: Set<String> = [
    "nice", "ionice", "chronic", "flock", "timeout", "sudo", "env", "nohup", "setsid", "exec", "time", "chrt",
    "runuser",
    "systemd-run", "systemd-cat", "cronic", "stdbuf", "xargs", "then", "do", "else", "if",
  ]
  private static let interpreters = ["python", "perl", "ruby", "php", "node", "bash", "sh", "dash", "zsh", "java"]

  /// The words of a part of a command line; quotes only hold a word together.
  private static func words(_ part: Substring) -> [String] {
    var words: [String] = []
    var word = ""
    var quote: Character?
    for character in part {
      if let open = quote {
        if character == open { quote = nil } else { word.append(character) }
      } else if character == "\"" || character == "'" {
        quote = character
      } else if character == " " || character == "\t" {
        if !word.isEmpty { words.append(word) }
        word = ""
      } else {
        word.append(character)
      }
    }
    return word.isEmpty ? words : words + [word]
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
