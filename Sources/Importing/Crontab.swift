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

  /// Whether a crontab has accounts in it: every entry's sixth field could be one, and one of them is `root`, which is
  /// no program. (A file of only other accounts looks like commands: `backup /srv`. Its path tells more than its text.)
  package static func looksSystemWide(_ text: String) -> Bool {
    let users = Crontab(text, isSystemWide: true).lines.compactMap { line -> String? in
      switch line.item {
      case .entry(let entry): entry.user
      case .unreadable: ""
      default: nil
      }
    }
    return users.contains("root") && users.allSatisfy(isAccount)
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
  private static func variable(_ line: Substring) -> (name: String, value: String)? {
    guard let equals = line.firstIndex(of: "=") else { return nil }
    func unquoted(_ text: Substring) -> String {
      var text = text.drop { $0 == " " || $0 == "\t" }
      while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
      if text.count >= 2, let quote = text.first, quote == "\"" || quote == "'", text.last == quote {
        text = text.dropFirst().dropLast()
      }
      return String(text)
    }
    let name = unquoted(line[..<equals])
    guard !name.isEmpty, !name.contains(where: { " \t\"'".contains($0) }) else { return nil }
    return (name, unquoted(line[line.index(after: equals)...]))
  }

  /// Parts a command from its input at the first `%`; further ones are line ends, and `\%` is a percent sign.
  private static func split(_ text: Substring) -> (command: String, input: String?) {
    var parts = [""]
    var isEscaped = false
    for character in text {
      if character == "%" {
        if isEscaped {
          parts[parts.count - 1].removeLast()
          parts[parts.count - 1].append("%")
        } else {
          parts.append("")
        }
        isEscaped = false
      } else {
        parts[parts.count - 1].append(character)
        isEscaped = character == "\\" && !isEscaped
      }
    }
    return (parts[0], parts.count > 1 ? parts.dropFirst().joined(separator: "\n") : nil)
  }
}
