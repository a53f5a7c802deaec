internal import DequeModule
internal import JobModel

/// Work in line by its owner, usually a script: the owners take turns, each in the order of its own work.
///
/// With one owner it is a plain line. An owner that has nothing left is not remembered: one that comes again is the
/// last in turn, and has no claim to what it did not use.
///
/// O(1) a thing, but for `remove` and `takeAll`.
struct FairLine: Sendable {
  private var shares: [ObjectIdentifier: Deque<Work>] = [:]
  /// Those that have something, each once, the next one first.
  private var turns = Deque<ObjectIdentifier>()
  /// Things that wait; an order counts as one.
  private(set) var count = 0

  mutating func append(_ work: Work, of owner: ObjectIdentifier) {
    count += work.count
    if shares[owner]?.append(work) == nil {
      shares[owner] = [work]
      turns.append(owner)
    }
  }

  /// Puts work back before everything else of its owner, which is the next in turn if it had nothing left.
  mutating func requeue(_ work: Work) {
    count += work.count
    let owner = work.owner
    if shares[owner]?.prepend(work) == nil {
      shares[owner] = [work]
      turns.prepend(owner)
    }
  }

  /// Whether the next turn is one of a run that goes on, not of an order.
  var isRunNext: Bool {
    guard let owner = turns.first, case .run = shares[owner]?.first else { return false }
    return true
  }

  /// Moves work of the next owner to `local`: at most its part of `wanted`. Answers how many things that were; at least
  /// one, if there is any.
  mutating func take(_ wanted: Int, into local: inout LocalQueue) -> Int {
    guard let owner = turns.popFirst(), var share = shares[owner]?.popFirst() else { return 0 }
    // Not a whole turn's worth from one owner while others wait.
    var taken = min(turns.isEmpty ? wanted : max(1, wanted / (turns.count + 1)), share.count)
    switch share {
    case .orders(var range) where range.count > taken:
      local.append(.orders(range.split(first: taken)))
      share = .orders(range)
      shares[owner]?.prepend(share)
    default:
      taken = share.count
      local.append(share)
    }
    count -= taken
    if shares[owner]?.isEmpty == true { shares[owner] = nil } else { turns.append(owner) }
    return taken
  }

  /// Everything, in the order of the owners' turns.
  mutating func takeAll() -> [Work] {
    let all = turns.flatMap { shares[$0] ?? [] }
    shares.removeAll()
    turns.removeAll()
    count = 0
    return all
  }

  /// Takes one order out. O(orders that wait)
  mutating func remove(_ token: RunToken) -> RunOrder? {
    for owner in turns {
      guard let order = shares[owner]?.removeOrder(token) else { continue }
      count -= 1
      if shares[owner]?.isEmpty == true {
        shares[owner] = nil
        turns.removeAll { $0 == owner }
      }
      return order
    }
    return nil
  }
}

extension Work {
  fileprivate var owner: ObjectIdentifier {
    switch self {
    case .orders(let range): range.orders[range.next].owner
    case .run(let run): run.owner
    }
  }
}
