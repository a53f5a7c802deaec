internal import JobModel

/// Where each name of a script was declared.
struct DeclaredNames {
  private var names: ContiguousArray<(name: String, location: SourceLocation)> = []
  private var index = NameIndex()

  /// Notes where `name` is declared. The place where it was declared before, if it was. O(1).
  mutating func declare(_ name: String, at location: SourceLocation) -> SourceLocation? {
    if let known = index.index(of: name, matches: { names[$0].name == name }) { return names[known].location }
    index.insert(name, at: names.count)
    names.append((name, location))
    return nil
  }
}

/// Calls `job "name"` whose table has not come yet, by ticket.
struct OpenJobs {
  struct Call {
    let ticket: Int
    let name: String
    let location: SourceLocation
    fileprivate var isOpen = true
  }

  /// By ticket; the last one is open. Nearly always there is one at most.
  private var calls: ContiguousArray<Call> = []
  private var lastTicket = 0

  mutating func open(_ name: String, at location: SourceLocation) -> Int {
    lastTicket += 1
    calls.append(Call(ticket: lastTicket, name: name, location: location))
    return lastTicket
  }

  /// The call that a table belongs to; nil when it has come already. O(log calls).
  mutating func close(_ ticket: Int) -> Call? {
    var low = 0
    var high = calls.count
    while low < high {
      let middle = (low + high) / 2
      if calls[middle].ticket < ticket { low = middle + 1 } else { high = middle }
    }
    guard low < calls.count, calls[low].ticket == ticket, calls[low].isOpen else { return nil }
    let call = calls[low]
    calls[low].isOpen = false
    while calls.last?.isOpen == false { calls.removeLast() }
    return call
  }

  /// What is still open, in the order of the calls; nothing is then.
  mutating func takeAll() -> [Call] {
    defer { calls = [] }
    return calls.filter(\.isOpen)
  }
}
