/// What ``EditorFiles`` says of a function that scripts have, in its parts.
struct EditorEntry {
  /// What it does: whole sentences.
  let summary: String
  /// Lines of Lua that a test runs.
  let example: [Substring]
  /// Whether it gives its thread away while it waits.
  let waits: Bool
  /// Tags in the order of the declaration: name, with ? where it may be left out; type; text, which may be empty.
  let parameters: [(name: Substring, type: Substring, text: Substring)]
  /// As after `@return`.
  let returns: Substring?
  /// `kv.get(key)`; for a method of ctx `ctx:step(name, body)`.
  let call: String

  /// The entry of a function; nil for a field, and for what has none.
  init?(_ name: String) {
    guard let lines = EditorFiles.entry(of: name)?.split(separator: "\n"), let last = lines.last,
      let head = last.firstMatch(of: #/^function (.+\)) end$/#)?.1
    else { return nil }
    call = String(head).replacing("Context:", with: "ctx:")
    var summary: [Substring] = []
    var example: [Substring] = []
    var parameters: [(Substring, Substring, Substring)] = []
    var (waits, isExample, returns) = (false, false, nil as Substring?)
    for line in lines.dropLast().map({ $0.dropFirst(3) }) {
      if line == "```lua" || line == "```" {
        isExample.toggle()
      } else if isExample {
        example.append(line)
      } else if line == "@async" {
        waits = true
      } else if line.hasPrefix("@return ") {
        returns = line.dropFirst("@return ".count)
      } else if line.hasPrefix("@param ") {
        let words = line.dropFirst("@param ".count).split(separator: " ", maxSplits: 1)
        let type = Self.type(words[1])
        parameters.append((words[0], type, words[1].dropFirst(type.count + 1)))
      } else if !line.hasPrefix("@") {
        summary.append(line)
      }
    }
    self.summary = summary.joined(separator: " ")
    self.example = example
    self.waits = waits
    self.parameters = parameters
    self.returns = returns
  }

  /// The type that a text begins with: up to a space outside of brackets that does not follow a colon or a comma.
  private static func type(_ text: Substring) -> Substring {
    var depth = 0
    var before: Character = " "
    for index in text.indices {
      let letter = text[index]
      if letter == " ", depth == 0, before != ":", before != "," { return text[..<index] }
      if "([{<".contains(letter) { depth += 1 }
      if ")]}>".contains(letter) { depth -= 1 }
      before = letter
    }
    return text
  }
}
