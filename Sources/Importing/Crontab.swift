/// A crontab, line by line, as `crontab(5)` describes it.
///
///     Crontab("MAILTO=ops\n0 3 * * * backup --all\n", isSystemWide: false).items
///
/// Pure; any thread. Lines that make no sense are items, too: nothing is dropped.
package struct Crontab: Sendable {
  /// A line that runs something.
  struct Entry: Sendable, Hashable {
    /// Five fields with one space between them, or a nickname like `@daily`.
    var schedule: String
    /// The account in the sixth field of a system crontab.
    var user: String?
    /// What the shell is given.
    var command: String
    /// What the command reads: the part behind the first `%`.
    var input: String?
  }

  enum Item: Sendable, Hashable {
    case blank
    /// Without the `#`.
    case comment(String)
    case variable(name: String, value: String)
    case entry(Entry)
    /// A line that is none of those, and why.
    case unreadable(String)
  }

  /// A line and what it is.
  struct Line: Sendable, Hashable {
    /// Counted from 1.
    var number: Int
    var text: String
    var item: Item
  }

  let lines: [Line]

  /// Reads a crontab.
  ///
  /// - Parameter isSystemWide: whether entries name an account before the command, as `/etc/crontab` and `/etc/cron.d`
  ///   do.
  package init(_ text: String, isSystemWide: Bool) {
    var lines: [Line] = []
    for (index, line) in text.fileLines.enumerated() {
      lines.append(Line(number: index + 1, text: String(line), item: Crontab.item(line, isSystemWide)))
    }
    while lines.last?.item == .blank { lines.removeLast() }
    self.lines = lines
  }

  /// Whether a crontab has accounts in it: every entry's sixth word is one, and not all of them are as well programs
  /// with an argument to come (`sync`, `man`), nor do options follow all of them (`backup --all`).
  ///
  /// - Parameters:
  ///   - isAccount: whether the machine has an account of that name.
  ///   - isProgram: whether a shell would find a program of that name.
  package static func looksSystemWide(
    _ text: String, isAccount: (String) -> Bool, isProgram: (String) -> Bool
  ) -> Bool {
    var isTelling = false
    for line in Crontab(text, isSystemWide: true).lines {
      switch line.item {
      case .entry(let entry):
        guard let user = entry.user, user == "root" || isAccount(user) else { return false }
        if user == "root" || !isProgram(user) && !entry.command.hasPrefix("-") { isTelling = true }
      case .unreadable: return false
      default: break
      }
    }
    return isTelling
  }

  private static func item(_ line: Substring, _ isSystemWide: Bool) -> Item {
    let line = line.drop { $0 == " " || $0 == "\t" }
    guard let first = line.first else { return .blank }
    if first == "#" { return .comment(String(line.dropFirst())) }
    if let (name, value) = variable(line) { return .variable(name: name, value: value) }
    var rest = line
    var schedule: String
    if first == "@" {
      schedule = word(&rest)
    } else {
      // A dash before the first field keeps an entry out of the system's log, where cron knows it.
      if first == "-" { rest = rest.dropFirst() }
      var fields: [String] = []
      while fields.count < 5, !rest.isEmpty { fields.append(word(&rest)) }
      guard fields.count == 5 else { return .unreadable("it is neither a variable nor five fields and a command") }
      schedule = fields.joined(separator: " ")
    }
    var user: String?
    if isSystemWide {
      let account = word(&rest)
      guard isAccount(account) else {
        return .unreadable(account.isEmpty ? "it has no account" : "\"\(account)\" before the command is no account")
      }
      user = account
    }
    // Fields for seconds or years would leave a star here: cron refuses that.
    if !isSystemWide, rest.first == "*" {
      return .unreadable("its command begins with *, which cron refuses: it may have six fields")
    }
    let (command, input) = split(rest)
    guard command.contains(where: { $0 != " " }) else { return .unreadable("it has no command") }
    return .entry(Entry(schedule: schedule, user: user, command: command, input: input))
  }

  /// The next word, and what follows the blanks after it.
  private static func word(_ rest: inout Substring) -> String {
    let isBlank = { (character: Character) in character == " " || character == "\t" }
    let word = rest.prefix { !isBlank($0) }
    rest = rest.dropFirst(word.count).drop(while: isBlank)
    return String(word)
  }

  private static func isAccount(_ text: String) -> Bool {
    guard let first = text.utf8.first, (97...122).contains(first | 0x20) || first == 95 else { return false }
    return text.utf8.allSatisfy {
      (97...122).contains($0 | 0x20) || (48...57).contains($0) || $0 == 95 || $0 == 45 || $0 == 46
    }
  }

  /// `NAME = value`, either of them in quotes or not; `nil` when the line is nothing of that kind.
  ///
  /// As in cron's `env.c`: a name without quotes ends at its first blank, nothing may follow a closing quote, blanks at
  /// the end of a value do not count, and quotes within quotes come off as well.
  private static func variable(_ line: Substring) -> (name: String, value: String)? {
    var rest = line
    guard let name = part(&rest, isName: true), !name.isEmpty else { return nil }
    rest = rest.drop(while: isSpace)
    guard rest.first == "=" else { return nil }
    rest = rest.dropFirst().drop(while: isSpace)
    guard var value = part(&rest, isName: false) else { return nil }
    while let last = value.last, isSpace(last) { value.removeLast() }
    if value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
      value = String(value.dropFirst().dropLast())
    }
    return (name, value)
  }

  /// A name or value from the front; `nil` when a quote has no end, or something follows a value's.
  private static func part(_ rest: inout Substring, isName: Bool) -> String? {
    guard let quote = rest.first, quote == "\"" || quote == "'" else {
      let part = isName ? rest.prefix { !isSpace($0) && $0 != "=" } : rest
      rest = rest.dropFirst(part.count)
      return String(part)
    }
    rest = rest.dropFirst()
    let part = rest.prefix { $0 != quote }
    guard part.count < rest.count, !isName || !part.contains("=") else { return nil }
    rest = rest.dropFirst(part.count + 1)
    return isName || rest.allSatisfy(isSpace) ? String(part) : nil
  }

  private static func isSpace(_ character: Character) -> Bool {
    character.isASCII && (character.isWhitespace || character == "\u{B}")
  }

  /// Parts a command from its input at the first `%`, as cron's `do_command.c` does.
  ///
  /// In the command a backslash goes away before `%` and before another one. In the input a further `%` ends a line,
  /// `\%` is a percent sign, every other backslash stays, and the last line gets its end.
  private static func split(_ text: Substring) -> (command: String, input: String?) {
    var command = ""
    var isEscaped = false
    for index in text.indices {
      let character = text[index]
      if isEscaped {
        if character == "%" || character == "\\" { command.removeLast() }
        command.append(character)
        isEscaped = false
      } else if character == "%" {
        return (command, input(text[text.index(after: index)...]))
      } else {
        command.append(character)
        isEscaped = character == "\\"
      }
    }
    return (command, nil)
  }

  private static func input(_ text: Substring) -> String {
    var input = ""
    var isEscaped = false
    for character in text {
      var character = character
      if isEscaped {
        if character != "%" { input.append("\\") }
      } else if character == "%" {
        character = "\n"
      }
      isEscaped = character == "\\"
      if !isEscaped { input.append(character) }
    }
    if isEscaped { input.append("\\") }
    return input.isEmpty || input.hasSuffix("\n") ? input : input + "\n"
  }
}
